"""Of a file that has ended nothing stays: no circle of its parts waits for Python to look for garbage. With small files
their bytes would wait too, and a long list would take as much memory as its files do between two such looks."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastdl import batch
from fastdl.listing import files_of
from fastdl.settings import Settings
from servers.files import FileApp, site
from servers.raw import Serve

_FILES = 24


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[object]]:
    """What only the search for garbage found, once it is called."""
    monkeypatch.setenv("FASTDL_STATE_DIR", str(tmp_path / "state"))
    gc.collect()
    gc.disable()
    flags, before = gc.get_debug(), len(gc.garbage)
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield gc.garbage
    finally:
        gc.set_debug(flags)
        del gc.garbage[before:]
        gc.enable()


@pytest.mark.parametrize("option", [{}, {"newer": True}, {"json": True}])
@pytest.mark.parametrize("size", [500, 400_000])
def test_no_circle_is_left_for_each_file(
    saved: list[object], serve: Serve, tmp_path: Path, size: int, option: dict[str, bool]
) -> None:
    app = FileApp(size=size)
    server = serve(site({f"/{at}.bin": app.answer for at in range(_FILES)}))
    path = tmp_path / "list.txt"
    path.write_text("".join(server.url(f"/{at}.bin") + "\n" for at in range(_FILES)), "utf-8")
    settings = Settings(dir=str(tmp_path / "d"), input_file=str(path), use_proxy=False, durable=False, **option)  # type: ignore[arg-type]
    for _ in range(2):  # the second time nothing has changed
        assert batch.run_list(settings, files_of(settings, []), lambda event: None).failed == 0
    gc.collect()
    ours = [each for each in saved if type(each).__module__.startswith("fastdl.")]
    assert len(ours) < _FILES / 2, {type(each).__name__ for each in ours}
    assert not [each for each in saved if isinstance(each, memoryview)]

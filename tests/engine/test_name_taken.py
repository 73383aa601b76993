"""Another file gets the name between the look at the target and its lock, as a small file of the same run may."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from fastdl import batch
from fastdl.core.head import Head
from fastdl.core.journal import JournalHeader
from fastdl.core.response import Action, Verdict
from fastdl.core.urls import parse_url
from fastdl.engine.existing import AskAgain
from fastdl.engine.landing import Landing
from fastdl.engine.proof import Proof
from fastdl.errors import TargetExists
from fastdl.io.contact import Answer, Place
from fastdl.io.partial import Partial
from fastdl.io.session import Session
from fastdl.result import Result
from fastdl.settings import Settings
from servers.files import FileApp
from servers.raw import Serve
from servers.run import environment


def fetch(settings: Settings, url: str) -> Result:
    (result,) = batch.run(settings, [url], lambda event: None)
    return result


@pytest.fixture
def url(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a file whose name is taken at the last moment."""
    for name, value in environment(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    real = Partial.begin

    def begin(self: Partial, header: JournalHeader) -> None:
        taken = tmp_path / "d" / "file.bin"
        if not taken.exists():
            taken.write_bytes(b"quick")
        real(self, header)

    monkeypatch.setattr(Partial, "begin", begin)
    return serve(FileApp(size=3_000)).url()


def settings(tmp_path: Path, **more: bool) -> Settings:
    one = Settings()
    one.dir = str(tmp_path / "d")
    one.use_proxy = False
    for name, value in more.items():
        setattr(one, name, value)
    return one


def names(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "d").iterdir())


def test_it_is_the_other_ones(url: str, tmp_path: Path) -> None:
    result = fetch(settings(tmp_path), url)
    assert isinstance(result.error, TargetExists)
    assert names(tmp_path) == ["file.bin"], "no partial download of a file that cannot have its name"
    assert (tmp_path / "d" / "file.bin").read_bytes() == b"quick"


def test_it_is_skipped(url: str, tmp_path: Path) -> None:
    result = fetch(settings(tmp_path, skip_existing=True), url)
    assert result.error is None
    assert result.kept
    assert names(tmp_path) == ["file.bin"]


def test_another_name(url: str, tmp_path: Path) -> None:
    result = fetch(settings(tmp_path, auto_rename=True), url)
    assert result.error is None
    assert len(names(tmp_path)) == 2
    assert (tmp_path / "d" / "file.bin").read_bytes() == b"quick"
    assert result.path is not None
    assert Path(result.path).read_bytes() == FileApp(size=3_000).bytes()


def test_it_is_replaced(url: str, tmp_path: Path) -> None:
    result = fetch(settings(tmp_path, overwrite=True), url)
    assert result.error is None
    assert names(tmp_path) == ["file.bin"]
    assert (tmp_path / "d" / "file.bin").read_bytes() == FileApp(size=3_000).bytes()


def test_a_source_joins_before_the_next_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that changed is begun again, and loses its name just then: nothing is left that knows of sources."""
    options = settings(tmp_path)
    origin, other = (Place(parse_url(f"https://{host}.example/file.bin")) for host in ("one", "two"))
    answer = Answer(Head(200, "OK", (), "HTTP/1.1"), origin.given, None)  # type: ignore[arg-type]
    verdict = Verdict(Action.WHOLE, size=3)
    real = Partial.begin

    def begin(self: Partial, header: JournalHeader) -> None:
        real(self, header)
        (tmp_path / "d" / "file.bin").write_bytes(b"quick")

    with contextlib.closing(Session(options)) as session:
        proof = Proof([], sha256=False)
        landing = Landing(session, options, origin.given.text, [origin], proof, lambda text: None, lambda: None)
        assert landing.look() is None
        landing.open(origin, answer, verdict, False, lambda front: None)
        monkeypatch.setattr(Partial, "begin", begin)
        with pytest.raises(AskAgain):
            landing.open(origin, answer, verdict, False, lambda front: None)
        landing.add_source(other)
        landing.close()
    assert names(tmp_path) == ["file.bin"]

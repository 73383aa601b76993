"""Of a file that has ended nothing stays: no circle of its parts waits for Python to look for garbage. With small files
their bytes would wait too, and a long list would take as much memory as its files do between two such looks.

It is looked at in a process of its own: while what only that search finds is kept, nothing else may come by.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from servers.files import FileApp, site
from servers.raw import Serve
from servers.run import LIMIT, environment

_FILES = 24

_CODE = """
import collections, gc, json, sys
from fastdl import batch
from fastdl.listing import files_of
from fastdl.settings import Settings

settings = Settings(**json.loads(sys.argv[1]))
gc.collect()
gc.disable()
gc.set_debug(gc.DEBUG_SAVEALL)
for _ in range(2):  # the second time nothing has changed
    assert batch.run_list(settings, files_of(settings, []), lambda event: None).failed == 0
gc.collect()
told = collections.Counter(
    type(each).__name__ for each in gc.garbage
    if type(each).__module__.startswith("fastdl.") or isinstance(each, memoryview)
)
gc.set_debug(0)
print(json.dumps(told))
"""


@pytest.mark.parametrize("option", [{}, {"newer": True}, {"json": True}])
@pytest.mark.parametrize("size", [500, 400_000])
def test_no_circle_is_left_for_each_file(serve: Serve, tmp_path: Path, size: int, option: dict[str, bool]) -> None:
    app = FileApp(size=size)
    server = serve(site({f"/{at}.bin": app.answer for at in range(_FILES)}))
    path = tmp_path / "list.txt"
    path.write_text("".join(server.url(f"/{at}.bin") + "\n" for at in range(_FILES)), "utf-8")
    settings = {"dir": str(tmp_path / "d"), "input_file": str(path), "use_proxy": False, "durable": False, **option}
    done = subprocess.run(
        [sys.executable, "-c", _CODE, json.dumps(settings)],
        env=environment(tmp_path),
        capture_output=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert len(os.listdir(tmp_path / "d")) == _FILES
    left: dict[str, int] = json.loads(done.stdout)
    assert sum(left.values()) < _FILES / 2, left
    assert "memoryview" not in left

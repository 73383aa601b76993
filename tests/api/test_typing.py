"""What a type checker sees of the API, and that the program which it has checked runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fastdl
from servers.files import FileApp
from servers.raw import Serve
from servers.run import environment

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("program.py")


def checked(path: Path) -> str:
    environ = {**os.environ, "MYPYPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--config-file="]
    done = subprocess.run(
        [*command, f"--cache-dir={path.parent / 'cache'}", str(path)],
        env=environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_the_program_is_right_by_mypy_and_runs(serve: Serve, tmp_path: Path) -> None:
    copy = tmp_path / "program.py"
    copy.write_text(PROGRAM.read_text(encoding="utf-8"), encoding="utf-8")
    assert "Success" in checked(copy), checked(copy)
    server = serve(FileApp(size=300_000))
    done = subprocess.run(
        [sys.executable, "-W", "error", str(copy), server.url(), str(tmp_path / "files")],
        env=environment(tmp_path / "home"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout.startswith("5 the sha256 does not match")
    assert fastdl.__version__ in done.stdout
    names = [
        "aio",
        "aio-each",
        "aio-steered.bin",
        "aio.bin",
        "each",
        "file.bin",
        "many-0.bin",
        "many-1.bin",
        "many-2.bin",
    ]
    assert sorted(os.listdir(tmp_path / "files")) == [*names, "pool", "steered.bin"]
    assert sorted(os.listdir(tmp_path / "files/aio-each")) == ["many-0.bin", "many-1.bin", "many-2.bin"]


WRONG = """
import fastdl
fastdl.download("u", conections=1)
fastdl.download("u", overwrite="yes")
fastdl.download("u", quiet=True)
fastdl.Job("u", proxy="p")
fastdl.download_many(3)
fastdl.download("u").path.upper()
fastdl.Download("u").limit([])
"""


def test_mistakes_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(WRONG, encoding="utf-8")
    told = checked(path)
    lines = WRONG.splitlines()
    for number in range(3, len(lines) + 1):
        assert f"wrong.py:{number}: error" in told, (lines[number - 1], told)


@pytest.mark.parametrize("name", fastdl.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(fastdl, name) is not None
    assert name in dir(fastdl)


def test_no_other_name() -> None:
    with pytest.raises(AttributeError):
        fastdl.upload  # type: ignore[attr-defined]  # noqa: B018


def test_to_import_it_costs_nothing() -> None:
    code = "import sys; before = set(sys.modules); import fastdl; print(sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "['__future__', 'fastdl']"

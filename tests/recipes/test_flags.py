"""The tables for users of curl, wget and aria2: every option in them is one, and what they promise comes about."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from fastdl.options import OPTIONS
from pages.blocks import text_of
from servers.files import FileApp
from servers.raw import Serve
from servers.real import find
from servers.run import Runner, environment

DOCUMENT = "docs/recipes-flags.md"
HELP = {"curl": ("curl", "--help", "all"), "aria2": ("aria2c", "--help=#all"), "wget": ("wget", "--help")}
OURS = {f"--{option.name}" for option in OPTIONS} | {f"-{option.short}" for option in OPTIONS if option.short}
OURS |= {f"--no-{option.name}" for option in OPTIONS if option.negatable} | {"--repair"}


def rows(heading: str) -> Iterator[list[str]]:
    section = text_of(DOCUMENT).split(f"\n## {heading}\n")[1].split("\n## ")[0]
    for line in section.splitlines():
        if line.startswith("| ") and "`" in line:
            yield [cell.strip() for cell in line.split("|")[1:-1]]


def flags(cell: str) -> list[str]:
    """The options within the code of a cell."""
    words = " ".join(re.findall(r"`([^`]*)`", cell)).split()
    return [re.split("[=]", word)[0] for word in words if re.match(r"--?[A-Za-z]", word)]


@lru_cache(maxsize=4)
def known(program: str) -> frozenset[str]:
    """All options that a program says it has."""
    name, *arguments = HELP[program]
    told = subprocess.run([find(name), *arguments], capture_output=True, text=True, check=True).stdout
    return frozenset(re.findall(r"(?<![\w-])--?[A-Za-z][\w.-]*", told))


@pytest.mark.parametrize("program", HELP)
def test_every_option_is_one(program: str) -> None:
    found = list(rows(program))
    assert len(found) > 8
    theirs = {flag for cells in found for flag in flags(cells[0])}
    ours = {flag for cells in found for flag in flags(cells[1])}
    assert theirs - known(program) == set()
    assert ours - OURS == set()


def test_the_words_under_the_tables_are_options_too() -> None:
    told = re.findall(r"What fastdl does not do:.*", text_of(DOCUMENT))
    assert len(told) == 3


# --- both programs, one server: the same outcome ---------------------------------------------------------------

DATA = bytes(range(256)) * 1000
SAME_FILE = [
    # program and its arguments; ours; the name of the file
    (("curl", "-s", "-O", "URL"), ("URL",), "file.bin"),
    (("curl", "-s", "-o", "x.bin", "URL"), ("-o", "x.bin", "URL"), "x.bin"),
    (("curl", "-s", "--create-dirs", "--output-dir", "d", "-O", "URL"), ("-d", "d", "URL"), "d/file.bin"),
    (("curl", "-s", "-H", "X-A: b", "-A", "me/1", "-e", "http://r.example.org/", "-O", "URL"),
     ("-H", "X-A: b", "-A", "me/1", "-e", "http://r.example.org/", "URL"), "file.bin"),
    (("curl", "-s", "-u", "me:pass", "-O", "URL"), ("-u", "me:pass", "URL"), "file.bin"),
    (("curl", "-s", "-b", "jar", "-O", "URL"), ("-b", "jar", "URL"), "file.bin"),
    (("curl", "-s", "--connect-to", "named.test:80:HOST", "-O", "http://named.test/file.bin"),
     ("--connect-to", "named.test:80:HOST", "http://named.test/file.bin"), "file.bin"),
    (("curl", "-s", "--max-filesize", "1M", "-R", "-O", "URL"), ("--max-size", "1M", "URL"), "file.bin"),
    (("aria2c", "-q", "-o", "x.bin", "-d", "d", "URL"), ("-o", "x.bin", "-d", "d", "URL"), "d/x.bin"),
    (("aria2c", "-q", "--header=X-A: b", "-U", "me/1", "--referer=http://r.example.org/", "URL"),
     ("-H", "X-A: b", "-A", "me/1", "-e", "http://r.example.org/", "URL"), "file.bin"),
    (("aria2c", "-q", "-x", "4", "-s", "4", "-k", "1M", "URL"), ("-x", "4", "-k", "1M", "URL"), "file.bin"),
    (("aria2c", "-q", "-i", "list"), ("-i", "list"), "x.bin"),
    (("wget", "-q", "-O", "x.bin", "URL"), ("-o", "x.bin", "URL"), "x.bin"),
    (("wget", "-q", "-P", "d", "--header=X-A: b", "URL"), ("-d", "d", "-H", "X-A: b", "URL"), "d/file.bin"),
]  # fmt: skip
TOLD = ("x-a", "user-agent", "referer", "authorization", "cookie", "host")


@pytest.mark.parametrize(("theirs", "ours", "name"), SAME_FILE, ids=[" ".join(each[0]) for each in SAME_FILE])
def test_the_same_file_under_the_same_name(
    theirs: tuple[str, ...], ours: tuple[str, ...], name: str, fastdl: Runner, serve: Serve, tmp_path: Path
) -> None:
    server = serve(FileApp(size=len(DATA), data=DATA))
    place = {"URL": server.url(), "HOST": f"127.0.0.1:{server.port}"}
    listed = f"{server.url()}\n  out=x.bin\n  header=X-A: b\n"
    jar = "127.0.0.1\tFALSE\t/\tFALSE\t0\tsid\tyes\n"
    other = tmp_path / "other"
    for folder in (other, fastdl.cwd):
        folder.mkdir(exist_ok=True)
        (folder / "list").write_text(listed, encoding="utf-8")
        (folder / "jar").write_text(jar, encoding="utf-8")
    command = [re.sub("URL|HOST", lambda found: place[found[0]], word) for word in theirs]
    environ = environment(tmp_path / "empty", {})
    subprocess.run([find(command[0]), *command[1:]], cwd=other, env=environ, check=True, timeout=60)
    asked = len(server.log)
    arguments = [re.sub("URL|HOST", lambda found: place[found[0]], word) for word in ours]
    result = fastdl.get(*arguments)
    assert result.code == 0, result.err
    assert (other / name).read_bytes() == (fastdl.cwd / name).read_bytes() == DATA
    first, second = server.log[0].request, server.log[asked].request
    for field in TOLD:
        if field != "user-agent" or "me/1" in theirs:
            assert first.get(field) == second.get(field), field

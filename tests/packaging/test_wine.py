"""What the build in wine is made of and how it runs programs; that needs no wine."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from pack import bundle, steps, venvs
from pack.steps import StepFailed
from wine import prefix, python

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="wine is for other systems")


def test_pins_for_windows_keep_their_digests_and_lose_their_markers() -> None:
    lines = list(python.requirements(bundle.PINS.read_text("utf-8")))
    names = [line.partition("==")[0] for line in lines]
    assert {"colorama", "pefile", "pywin32-ctypes", "pyinstaller", "httpx"} <= set(names)
    assert not {"macholib", "tomli", "exceptiongroup", "numpy"} & set(names)
    assert len(names) == len(set(names)), "one version of each"
    assert all("--hash=sha256:" in line and ";" not in line for line in lines)


@pytest.mark.parametrize(
    ("marker", "kept"),
    [
        ("", True),
        (" ; sys_platform == 'win32'", True),
        (" ; sys_platform != 'win32'", False),
        (" ; sys_platform == 'darwin'", False),
        (" ; python_full_version < '3.13'", True),
        (" ; python_full_version < '3.12.9'", False),
        (" ; python_full_version >= '3.12'", True),
        (" ; python_full_version == '3.12.*'", True),
        (" ; python_full_version == '3.11.*'", False),
        (" ; python_full_version >= '3.11' and sys_platform == 'win32'", True),
        (" ; python_full_version >= '3.13' and sys_platform == 'win32'", False),
    ],
)
def test_markers(marker: str, kept: bool) -> None:
    found = list(python.requirements(f"some-thing==1.2{marker} \\\n    --hash=sha256:ab\n"))
    assert found == (["some-thing==1.2 --hash=sha256:ab"] if kept else [])


def test_a_marker_that_is_not_understood_is_an_error() -> None:
    with pytest.raises(StepFailed, match="platform_machine"):
        list(python.requirements("thing==1 ; platform_machine == 'arm64' --hash=sha256:ab"))


@POSIX
def test_paths_as_programs_in_wine_call_them() -> None:
    assert prefix.windows_path("/a b/\u00fc") == "Z:\\a b\\\u00fc"


@POSIX
def test_what_a_program_wrote_is_read_though_another_holds_the_pipe() -> None:
    """As wine's services do, which the first program of a session starts."""
    script = "echo said; echo warned >&2; sleep 60 & echo $! >&2"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        out, err = prefix.read_to_its_end(process, 30)
    warned, number = err.split()
    subprocess.run(["kill", number.decode()], check=True)
    assert (out, warned, process.returncode) == (b"said\n", b"warned", 0)


@POSIX
def test_a_program_that_does_not_end_is_an_error(tmp_path: Path) -> None:
    wine = prefix.Wine(tmp_path, "/bin/sh", "true")
    with pytest.raises(StepFailed, match="does not end within 0 s"):
        wine.run(["-c", "sleep 60"], timeout=0.2)


@POSIX
def test_a_program_that_fails_is_an_error_with_what_it_said(tmp_path: Path) -> None:
    wine = prefix.Wine(tmp_path, "/bin/sh", "true")
    with pytest.raises(StepFailed, match=r"(?s)ended with 3.*no such thing"):
        wine.checked(["-c", "echo no such thing >&2; exit 3"])


@POSIX
def test_nothing_of_this_system_reaches_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONPATH", "DISPLAY", "FASTDL_CONFIG", "WINEDEBUG", "WINEARCH", "WINEPREFIX"):
        monkeypatch.setenv(name, "mine")
    environ = prefix.Wine(tmp_path, "/bin/sh", "true").environment({"FASTDL_STATE_DIR": "given"})
    assert "mine" not in environ.values()
    assert (environ["WINEPREFIX"], environ["FASTDL_STATE_DIR"]) == (str(tmp_path), "given")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("", "mscoree,mshtml="),
        ("ucrtbase=n,b;wucrt=n", "ucrtbase=n,b;wucrt=n;mscoree,mshtml="),
        ("wucrt=n;", "wucrt=n;mscoree,mshtml="),
        ("mscoree,mshtml=;ucrtbase=n", "mscoree,mshtml=;ucrtbase=n"),
        ("a, MSHTML =b", "a, MSHTML =b;mscoree="),
    ],
)
def test_the_dlls_that_the_caller_mended_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, wanted: str
) -> None:
    monkeypatch.setenv("WINEDLLOVERRIDES", given)
    monkeypatch.setenv("WINEESYNC", "1")
    environ = prefix.Wine(tmp_path, "/bin/sh", "true").environment()
    assert (environ["WINEDLLOVERRIDES"], environ["WINEESYNC"]) == (wanted, "1")


@POSIX
def test_no_wine_is_said_with_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(prefix, "PLACES", ())
    for name in ("WINELOADER", "WINESERVER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(StepFailed, match="packages wine wine64"):
        prefix.find()


@POSIX
def test_the_callers_wine_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, variable in (("loader", "WINELOADER"), ("server", "WINESERVER")):
        (tmp_path / name).touch(0o755)
        monkeypatch.setenv(variable, str(tmp_path / name))
    assert prefix.find() == (str(tmp_path / "loader"), str(tmp_path / "server"))


@POSIX
@pytest.mark.parametrize("given", [True, False], ids=["given", "own"])
def test_a_prefix_is_made_kept_awake_and_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: bool) -> None:
    """A given one is left with what runs there, which may be the caller's; what keeps it awake ends in any case."""
    log = tmp_path / "log"
    for name in ("loader", "server"):
        (tmp_path / name).write_text(
            f'#!/bin/sh\ncase "$*" in *line=) read x; echo end;; *) echo {name} "$@";; esac >>"{log}"\n'
        )
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(prefix, "find", lambda: (str(tmp_path / "loader"), str(tmp_path / "server")))
    monkeypatch.setattr(prefix, "WORK", tmp_path)
    place = tmp_path / ("my own/place" if given else "prefix")
    monkeypatch.setenv("WINEPREFIX", str(place)) if given else monkeypatch.delenv("WINEPREFIX", raising=False)
    with prefix.opened() as wine:
        assert wine.prefix == place
        with prefix.opened():
            log.write_text("")
            (place / "system.reg").touch()
        assert log.read_text() == "end\n", "one is still there"
        log.write_text("")
    assert log.read_text().splitlines() == (["end"] if given else ["end", "server -k", "server -w"])
    log.write_text("")
    with prefix.opened():
        assert "wineboot" not in log.read_text(), "it is there by now"
    assert [path.name for path in tmp_path.iterdir() if "fastdl" in path.name] == [], "nothing lies beside it"


@POSIX
def test_a_server_that_the_caller_told_to_stay_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, script in {"loader": "", "server": "exec sleep 60"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(prefix, "find", lambda: (str(tmp_path / "loader"), str(tmp_path / "server")))
    monkeypatch.setattr(prefix, "SETTLING", 0.2)
    monkeypatch.setenv("WINEPREFIX", str(tmp_path / "given"))
    with prefix.opened() as wine:
        assert wine.prefix == tmp_path / "given"


@POSIX
def test_downloads_are_kept_where_the_caller_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "not there yet"))
    assert python.cache() == tmp_path / "not there yet/fastdl-packaging"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert python.cache() == tmp_path / "home/.cache/fastdl-packaging"
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert python.cache() == python.WORK / "cache"


@pytest.mark.parametrize("cached", [True, False])
def test_the_net_is_asked_only_for_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached: bool
) -> None:
    did: list[str] = []

    def run(words: list[str]) -> None:
        did.append(words[words.index("pip") + 1])
        if "--no-index" in words and not cached and did.count("install") == 1:
            raise StepFailed("no such wheel")

    monkeypatch.setattr(python, "WORK", tmp_path)
    monkeypatch.setattr(steps, "run", run)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    python.install(tmp_path / "python")
    assert did == (["install"] if cached else ["install", "download", "install"])


def test_a_python_without_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Debian's is."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(venvs, "WORK", tmp_path)
    (program, *words) = python.pip()
    assert Path(program).is_relative_to(tmp_path) and words == ["-m", "pip"]
    done = subprocess.run([program, *words, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("pip ")

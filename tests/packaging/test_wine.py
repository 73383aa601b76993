"""What the build in wine is made of and how it runs programs; that needs no wine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pack import bundle, venvs
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
    for name in ("PYTHONPATH", "DISPLAY", "FASTDL_CONFIG", "WINEDEBUG"):
        monkeypatch.setenv(name, "mine")
    environ = prefix.Wine(tmp_path, "/bin/sh", "true").environment({"FASTDL_STATE_DIR": "given"})
    assert "mine" not in environ.values()
    assert (environ["WINEPREFIX"], environ["FASTDL_STATE_DIR"]) == (str(tmp_path), "given")


@POSIX
def test_no_wine_is_said_with_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(prefix, "PLACES", ())
    with pytest.raises(StepFailed, match="packages wine wine64"):
        prefix.find()


def test_a_given_prefix_is_used_and_left_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "win32":
        pytest.skip("wine is for other systems")
    did: list[str] = []
    monkeypatch.setattr(prefix, "find", lambda: ("loader", "server"))
    monkeypatch.setattr(prefix.Wine, "start", lambda wine: did.append(f"start {wine.prefix.name}"))
    monkeypatch.setattr(prefix.Wine, "stop", lambda wine: did.append(f"stop {wine.prefix.name}"))
    monkeypatch.setattr(prefix, "WORK", tmp_path)
    monkeypatch.setenv("WINEPREFIX", str(tmp_path / "given"))
    with prefix.opened() as wine:
        assert wine.prefix == tmp_path / "given"
    monkeypatch.delenv("WINEPREFIX")
    with prefix.opened(), prefix.opened():  # two at once: the last one ends what runs
        pass
    assert did == ["start given", "start prefix", "start prefix", "stop prefix"]
    assert venvs.WORK not in wine.prefix.parents

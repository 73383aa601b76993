"""`fastdl verify` without a network: digests given, lists, what is said, and the exit codes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastdl.__main__ import main
from fastdl.cli.parse import parse
from fastdl.cli.verify import VERIFY_OPTIONS
from fastdl.errors import FastdlError, Interrupted, Terminated
from fastdl.options import OPTIONS

DATA = b"what is in the file"
SHA = hashlib.sha256(DATA).hexdigest()
SHA512 = hashlib.sha512(DATA).hexdigest()
OTHER = hashlib.sha256(b"something else").hexdigest()
Say = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with a right file, and nothing of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith("FASTDL_"):
            monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE", "APPDATA", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "a.bin").write_bytes(DATA)
    return folder


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    def run(*args: str) -> tuple[int, str, str]:
        code = main(["verify", *args])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def put(name: str, text: str | bytes) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
    return name


# --- one digest ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "checksum",
    [
        f"sha256:{SHA}",
        f"SHA-256={SHA.upper()}",
        f"sha512:{SHA512}",
        f"md5:{hashlib.md5(DATA).hexdigest()}",
        f"blake2b:{hashlib.blake2b(DATA).hexdigest()}",
        "sha384-" + b64encode(hashlib.sha384(DATA).digest()).decode(),
    ],
)
def test_a_right_file(say: Say, checksum: str) -> None:
    code, out, err = say("a.bin", "--checksum", checksum)
    assert (code, err) == (0, "")
    assert out.startswith("a.bin: OK (") and out.endswith("given with --checksum)\n")


def test_a_wrong_file(say: Say) -> None:
    code, out, err = say("--checksum", f"sha256:{OTHER}", "a.bin")
    assert code == 5
    assert out == "a.bin: FAILED (sha256 given with --checksum)\n"
    assert err.startswith("fastdl: error: a.bin: the sha256 does not match")
    assert SHA in err and OTHER in err
    code, out, err = say("-q", "--checksum", f"sha256:{OTHER}", "a.bin")
    assert (code, out, err.count("\n")) == (5, "", 1)
    assert say("-q", "--checksum", f"sha256:{SHA}", "a.bin") == (0, "", "")


def test_json(say: Say) -> None:
    code, out, _ = say("--json", "a.bin", "--checksum", f"sha256:{OTHER}")
    assert code == 5
    told = json.loads(out)
    error = told.pop("error")
    assert "does not match" in error
    assert told == {
        "path": "a.bin",
        "size": len(DATA),
        "algorithm": "sha256",
        "expected": OTHER,
        "found": SHA,
        "source": "user",
        "ok": False,
        "repaired": None,
        "exit_code": 5,
    }
    code, out, err = say("--json", "nowhere", "--checksum", f"sha256:{OTHER}")
    told = json.loads(out)
    assert (code, told["exit_code"], told["found"], told["size"], told["ok"]) == (6, 6, None, None, False)
    assert "there is no such file" in err


@pytest.mark.parametrize("name", ["nowhere.bin", "folder"])
def test_what_cannot_be_read(say: Say, here: Path, name: str) -> None:
    (here / "folder").mkdir()
    code, out, err = say(name, "--checksum", f"sha256:{SHA}")
    assert (code, out) == (6, f"{name}: FAILED to read\n")
    assert err.count("\n") == 1 and err.startswith(f"fastdl: error: cannot read {name} (")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX names")
def test_names_with_control_characters_are_cleaned(say: Say) -> None:
    code, out, err = say("a\x1b[31m\nb", "--checksum", f"sha256:{SHA}")
    assert code == 6
    assert "\x1b" not in out + err and out.count("\n") == err.count("\n") == 1


def test_stdin() -> None:
    command = [sys.executable, "-m", "fastdl", "verify", "-", "--checksum"]
    for digest, code in ((SHA, 0), (OTHER, 5)):
        run = subprocess.run([*command, f"sha256:{digest}"], input=DATA, capture_output=True, timeout=60, check=False)
        assert run.returncode == code
        assert run.stdout.startswith(b"-: OK" if code == 0 else b"-: FAILED")


@pytest.mark.parametrize("stop", [Terminated("terminated"), Interrupted("interrupted")])
def test_what_ends_the_run_is_no_matter_of_one_file(
    say: Say, monkeypatch: pytest.MonkeyPatch, stop: FastdlError
) -> None:
    from fastdl.engine.verifying import verify

    def stopped(*_: Any) -> None:
        raise stop

    monkeypatch.setattr(verify, "hashed", stopped)
    put("SUMS", f"{SHA}  a.bin\n{SHA}  b.bin\n")
    code, out, err = say("-c", "SUMS")
    assert (code, out, err.count("\n")) == (stop.code, "", 1)


# --- lists -----------------------------------------------------------------------------------------------


def test_every_entry_of_a_list(say: Say) -> None:
    put("d/b.bin", DATA)
    put("SUMS", f"{SHA}  a.bin\n{SHA} *d/b.bin\nSHA512 (a.bin) = {SHA512}\n")
    code, out, err = say("-c", "SUMS")
    assert (code, err) == (0, "")
    assert out == "a.bin: OK (sha512 listed in SUMS)\nd/b.bin: OK (sha256 listed in SUMS)\n"


def test_names_are_those_of_the_current_folder(say: Say, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put("lists/SUMS", f"{SHA}  a.bin\n")
    assert say("-c", "lists/SUMS")[0] == 0
    monkeypatch.chdir(here / "lists")
    assert say("-c", "SUMS")[0] == 6


def test_one_bad_entry_of_several(say: Say) -> None:
    put("b.bin", b"damaged")
    put("SUMS", f"{SHA}  a.bin\n{SHA}  b.bin\n{SHA}  c.bin\n")
    code, out, err = say("-c", "SUMS")
    assert code == 5
    assert [line.partition(" (")[0] for line in out.splitlines()] == [
        "a.bin: OK",
        "b.bin: FAILED",
        "c.bin: FAILED to read",
    ]
    assert "2 of 3 files failed" in err
    told = [json.loads(line) for line in say("--json", "-c", "SUMS")[1].splitlines()]
    assert [one["exit_code"] for one in told] == [0, 5, 6]
    assert [one["source"] for one in told] == ["list"] * 3


def test_several_files_of_which_all_are_missing(say: Say) -> None:
    put("SUMS", f"{SHA}  b.bin\n{SHA}  c.bin\n")
    assert say("-c", "SUMS")[0] == 5
    assert say("-c", "SUMS", "b.bin")[0] == 6


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "no list at all\n", "<html>nothing here</html>"])
def test_a_list_without_entries(say: Say, text: str) -> None:
    code, out, err = say("-c", put("SUMS", text))
    assert (code, out) == (5, "")
    assert "SUMS lists no file" in err
    assert say("-c", "SUMS", "a.bin")[0] == 5


def test_a_list_that_is_missing(say: Say) -> None:
    code, _, err = say("-c", "SUMS")
    assert code == 6
    assert "cannot read SUMS (there is no such file)" in err


def test_named_files_of_a_list(say: Say) -> None:
    put("x/b.bin", DATA)
    put("SUMS", f"{SHA}  ./a.bin\n{OTHER}  other.bin\n{SHA}  b.bin\n")
    code, out, _ = say("a.bin", "-c", "SUMS", "x/b.bin")
    assert (code, out.count(": OK")) == (0, 2)
    put("new.bin", DATA)
    code, out, err = say("new.bin", "-c", "SUMS")
    assert (code, out) == (5, "new.bin: FAILED\n")
    assert "it is not listed (by SUMS)" in err
    assert say("a.bin", "new.bin", "-c", "SUMS")[0] == 5


def test_an_entry_without_a_usable_digest(say: Say) -> None:
    put("SUMS", f"{SHA[:-2]}  a.bin\n")
    code, out, err = say("-c", "SUMS")
    assert (code, out) == (5, "a.bin: FAILED\n")
    assert "wrong length" in err


def test_a_side_file_with_the_digest_alone(say: Say) -> None:
    put("a.bin.sha256", SHA + "\n")
    assert say("a.bin", "-c", "a.bin.sha256")[0] == 0
    code, _, err = say("-c", "a.bin.sha256")
    assert code == 5
    assert "without a name" in err


def test_strange_lines_are_told(say: Say) -> None:
    put("SUMS", f"what is this\n{SHA}  a.bin\n")
    code, _, err = say("-c", "SUMS")
    assert code == 0
    assert err == "fastdl: warning: 1 lines of SUMS are no checksums\n"
    assert say("-q", "-c", "SUMS")[2] == ""


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_lists_that_windows_wrote(say: Say, encoding: str) -> None:
    put("SUMS", f"{SHA} *a.bin\r\n".encode(encoding))
    assert say("-c", "SUMS")[0] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="macOS and Windows take no such names")
def test_names_that_are_no_utf8(say: Say, here: Path) -> None:
    Path(os.fsdecode(b"\xff.bin")).write_bytes(DATA)
    put("SUMS", SHA.encode() + b"  \xff.bin\n")
    assert say("-c", "SUMS")[0] == 0


def test_a_list_on_stdin(here: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "fastdl", "verify", "-c", "-"],
        input=f"{SHA}  a.bin\n".encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stdout) == (0, b"a.bin: OK (sha256 listed in stdin)\n")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX pipes")
def test_a_list_from_a_pipe(say: Say, here: Path) -> None:
    os.mkfifo(here / "pipe")

    def write() -> None:
        with open(here / "pipe", "wb", buffering=0) as file:
            file.write(f"{SHA}  a.bin\n".encode())
            file.write(b"# more than a pipe gives at once\n" * 10_000)
            file.write(f"{OTHER}  b.bin\n".encode())

    thread = threading.Thread(target=write)
    thread.start()
    code, out, _ = say("-c", "pipe", "a.bin", "b.bin")
    thread.join()
    assert (code, out.splitlines()[0]) == (5, "a.bin: OK (sha256 listed in pipe)")
    assert out.splitlines()[1] == "b.bin: FAILED to read"


def test_list_and_checksum_together(say: Say) -> None:
    put("SUMS", f"{SHA}  a.bin\n")
    assert say("a.bin", "-c", "SUMS", "--checksum", f"sha512:{SHA512}")[0] == 0
    code, out, _ = say("a.bin", "-c", "SUMS", "--checksum", f"sha256:{OTHER}", "--json")
    assert (code, json.loads(out)["source"]) == (5, "user")


# --- usage -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "part"),
    [
        ([], "nothing says which digest"),
        (["a.bin"], "give --checksum ALGO:HEX, -c LIST or --from URL"),
        (["--checksum", f"sha256:{SHA}"], "no file is given"),
        (["a.bin", "--checksum", "sha256:12"], "wrong length"),
        (["a.bin", "a.bin", "--checksum", f"sha256:{SHA}"], "--checksum is for one file"),
        (["a.bin", "b.bin", "--from", "https://example.org/a.bin"], "--from is for one file"),
        (["a.bin", "--from", "ftp://example.org/a.bin"], "ftp"),
        (["a.bin", "--repair", "--checksum", f"sha256:{SHA}"], "--repair needs --from"),
        (["-", "--repair", "--from", "https://example.org/a.bin"], "stdin"),
        (["-", "-c", "-"], "stdin"),
        (["a.bin", "--output", "x"], "no such option '--output'"),
        (["a.bin", "-c"], "needs a value"),
        (["a.bin", "--from", "https://example.org/a", "--cacert", "nowhere.pem"], "--cacert"),
    ],
)
def test_usage(say: Say, args: list[str], part: str) -> None:
    code, out, err = say(*args)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1 and err.startswith("fastdl: error: ")
    assert part in err


def test_a_list_of_several_and_a_checksum_of_one(say: Say) -> None:
    put("SUMS", f"{SHA}  a.bin\n{SHA}  b.bin\n")
    assert say("-c", "SUMS", "--checksum", f"sha256:{SHA}")[0] == 2
    assert say("-c", "SUMS", "--from", "https://example.org/a.bin")[0] == 2


def test_it_takes_gets_network_options() -> None:
    network = {"How fast, how long", "Who asks", "By which way", "What is said"}
    known = {option.name for option in VERIFY_OPTIONS}
    assert {option.name for option in OPTIONS if option.group in network} - known == {"jobs", "profile", "metrics"}
    assert not known & {"output", "dir", "mirror", "overwrite", "dry-run"}


def test_both_parsers_agree(say: Say) -> None:
    from fastdl.cli.app import run_app

    put("SUMS", f"{SHA}  a.bin\n")
    assert parse(["-cSUMS", "--from", "u", "--repair"], VERIFY_OPTIONS)[0] == {
        "check": "SUMS",
        "from_": "u",
        "repair": True,
    }
    for args in (["-c", "SUMS"], ["a.bin", "-q", "--checksum", f"sha256:{OTHER}"]):
        assert run_app(["verify", *args]) == say(*args)[0]


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--help"]) == 0
    out = capsys.readouterr().out
    for name in ("--check", "--from", "--repair", "--checksum", "--cacert"):
        assert name in out


def test_progress_for_programs(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastdl.cli import verify

    monkeypatch.setattr(verify, "PROGRESS_SECONDS", 0.0)
    code, _, err = say("a.bin", "--checksum", f"sha256:{SHA}", "--progress", "json")
    assert code == 0
    last: dict[str, Any] = json.loads(err.splitlines()[-1])
    assert (last["path"], last["bytes"], last["total"]) == ("a.bin", len(DATA), len(DATA))


def test_a_reader_that_went_away_is_no_crash(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    assert main(["verify", "a.bin", "--checksum", f"sha256:{SHA}"]) == 6
    assert "cannot write to stdout" in capsys.readouterr().err

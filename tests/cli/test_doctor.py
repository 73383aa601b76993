"""`doctor` where all is well, and where config or state is not."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path

import pytest

from doctored import Doctor
from doctored import dead as dead
from doctored import doctor as doctor
from doctored import home as home
from doctored import sound as sound
from fastdl.__main__ import main
from fastdl.cli import doctor as doctor_command
from fastdl.cli.doctor import DOCTOR_OPTIONS
from fastdl.core.urls import parse_url
from fastdl.io.store import FILE, Store
from fastdl.options import SPELLINGS
from fastdl.settings import Settings
from servers.files import FileApp
from servers.raw import Serve
from servers.run import Runner
from servers.tls import Certificates

# --- nothing is wrong ------------------------------------------------------------------------------------


def test_all_is_well(doctor: Doctor, serve: Serve) -> None:
    server = serve(FileApp(size=5 << 20))
    report = doctor(server.url("/a.zip?token=hunter2"))
    assert report.code == 0
    assert report["url"].endswith("token=***")
    assert report.of("http", "ok").startswith("status 206")
    assert "5.0 MiB, ranges work" in report.of("http", "ok")
    assert "agrees with 127.0.0.1" in report.of("clock", "ok")
    assert "127.0.0.1 in " in report.of("ipv4", "ok")
    assert {"config", "program", "terminal", "disk", "state", "trust", "proxy", "dns"} <= report.checks
    (exchange,) = server.log
    assert exchange.range == (0, 1), "one byte is asked for"
    assert exchange.body <= 1


def test_nothing_is_changed(doctor: Doctor, sound: str, home: Path) -> None:
    before = sorted(home.rglob("*"))
    doctor(sound)
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize(("url", "tls"), [("http://example.org/", False), ("https://example.org/", True)])
def test_tls_is_not_said_to_hang_where_none_is_spoken(url: str, tls: bool, tmp_path: Path) -> None:
    read = doctor_command.Read(Settings(dir=str(tmp_path)), "config.toml", 0, False, "", False)
    checks = doctor_command._checks(read, parse_url(url), given=True)
    assert ("tls" in checks[-1].names) is tls


def test_for_people(sound: str, capsys: pytest.CaptureFixture[str], dead: int) -> None:
    assert main(["doctor", sound]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["", "Nothing is wrong."]
    assert any(line.startswith("HTTP      ok: status 206") for line in lines)
    assert main(["doctor", f"http://127.0.0.1:{dead}/"]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "1 thing is wrong: IPv4."
    at = next(n for n, line in enumerate(lines) if line.startswith("IPv4      WRONG: "))
    assert lines[at + 1].startswith("          -> ")


def test_over_tls(doctor: Doctor, serve: Serve, certificates: Certificates) -> None:
    server = serve(FileApp(), tls=certificates.context())
    report = doctor("--cacert", str(certificates.ca), server.url().replace("127.0.0.1", "localhost"))
    assert report.code == 0
    assert "TLSv1.3, issued by trustme" in report.of("tls", "ok")
    assert report.of("trust", "ok").startswith(f"{certificates.ca}: 1 authority (trustme")
    assert "of localhost in " in report.of("dns", "ok")


def test_without_a_url_any_answer_of_the_releases_does(
    doctor: Doctor, serve: Serve, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    app = FileApp(hook=lambda connection, request, reply: app.short(404))
    server = serve(app)
    monkeypatch.setenv("FASTDL_RELEASES", server.url("/releases/latest"))
    (home / "config.toml").write_text('header = ["X-Key: hunter2"]\nuser = "me:hunter2"\nuser-agent = "hunter2"\n')
    report = doctor()
    assert report.code == 0
    assert report.of("http", "ok").startswith("status 404")
    (exchange,) = server.log
    assert b"hunter2" not in exchange.request.raw


def test_a_login_goes_where_get_would_send_it(doctor: Doctor, serve: Serve) -> None:
    server = serve(FileApp())
    assert doctor("-u", "me:pass", server.url()).code == 0
    assert server.log[0].request.get("authorization") is not None


def test_wrong_words(capsys: pytest.CaptureFixture[str]) -> None:
    for args, part in (
        (["a.example", "b.example"], "doctor takes one URL"),
        (["example.org"], "https://example.org"),
        (["--timeout", "no", "http://127.0.0.1/"], "--timeout"),
        (["--jobs", "3"], "no such option"),
    ):
        assert main(["doctor", *args]) == 2
        error = capsys.readouterr().err
        assert part in error
        assert error.count("\n") == 1


# --- config and state ------------------------------------------------------------------------------------


def test_a_broken_config_file(doctor: Doctor, sound: str, home: Path) -> None:
    (home / "config.toml").write_text('jobs = 1\nretires = 4\nproxy = "gopher://x"\n')
    report = doctor(sound)
    assert [one["check"] for one in report["findings"]].count("config") == 1, "it is not called sound as well"
    assert f"{home / 'config.toml'}, line 2, key retires: no such setting (did you mean retries?)" in report.of(
        "config"
    )


def test_a_broken_variable(doctor: Doctor, sound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTDL_JOBS", "many")
    assert "FASTDL_JOBS: 'many' is not valid" in doctor(sound).of("config")


@pytest.mark.parametrize(
    ("name", "part"),
    [("FASTDL_CONECTIONS", "Did you mean FASTDL_CONNECTIONS?"), ("FASTDL_XYZZY", "Unset it.")],
)
def test_variables_that_nobody_reads(
    name: str, part: str, doctor: Doctor, sound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "8")
    report = doctor(sound)
    assert report.wrong == ["config"]
    assert name in report.of("config")
    assert part in report.of("config")


def test_every_variable_that_the_program_reads_is_known() -> None:
    import re

    from fastdl import config
    from fastdl.engine.doctor.setup import _KNOWN

    source = Path(config.__file__).parent
    named = {
        name
        for file in source.rglob("*.py")
        for name in re.findall(r"\bFASTDL_[A-Z0-9_]*[A-Z0-9](?![\w{])", file.read_text("utf-8"))
    }
    settings = {"FASTDL_" + key.upper() for key in SPELLINGS}
    assert named - settings - {"FASTDL_CONECTIONS"} <= _KNOWN | {"FASTDL_REQUIRE_SERVERS"}


def test_an_old_config_file(doctor: Doctor, sound: str, home: Path) -> None:
    (home / ".fastdl.toml").write_text("jobs = 1\n")
    report = doctor(sound)
    assert report.wrong == ["config"]
    assert f"{home / '.fastdl.toml'} is not read" in report.of("config")
    assert f"Move it to {home / 'config.toml'}" in report.of("config")


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_a_secret_that_others_can_read(doctor: Doctor, sound: str, home: Path) -> None:
    path = home / "config.toml"
    path.write_text('user = "me:hunter2"\n')
    path.chmod(0o644)
    report = doctor(sound)
    assert f"-> chmod 600 {path}" in report.of("config")
    assert "hunter2" not in json.dumps(report)
    path.chmod(0o600)
    assert doctor(sound).code == 0


def test_files_that_settings_name(doctor: Doctor, sound: str, home: Path) -> None:
    (home / "config.toml").write_text('cookies = "gone.txt"\ncert = "gone.pem"\nkey = "gone.key"\n')
    report = doctor(sound)
    assert report.wrong == ["config", "config", "config"]
    report = doctor("--interface", "no-such-interface0", sound)
    assert any("no-such-interface0" in one["text"] for one in report["findings"])


def test_a_damaged_state(doctor: Doctor, sound: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    monkeypatch.setenv("FASTDL_STATE_DIR", str(folder))
    store = Store(str(folder))
    store.note_lie("a.example", "x")
    store.close()
    assert doctor(sound).code == 0
    path = folder / FILE
    whole = path.read_bytes()
    path.write_bytes(b"no database" * 100)
    assert "it is damaged" in doctor(sound).of("state")
    assert path.read_bytes() == b"no database" * 100, "doctor only looks"
    path.write_bytes(whole)
    with sqlite3.connect(path) as db:
        db.execute("pragma user_version = 99")
    db.close()
    assert "newer fastdl" in doctor(sound).of("state")
    path.unlink()
    (folder / (FILE + ".damaged")).write_text("x")
    report = doctor(sound)
    assert report.code == 0
    assert "was set aside" in report.of("state", "info")


# --- as a user runs it -----------------------------------------------------------------------------------


def test_another_process(fastdl: Runner, serve: Serve, dead: int) -> None:
    server = serve(FileApp())
    assert fastdl("doctor", server.url()).code == 0
    assert fastdl("doctor", f"http://127.0.0.1:{dead}/").code == 3
    assert "fastdl doctor https://example.org" in fastdl("doctor", "--help").out


def test_options() -> None:
    names = {option.name for option in DOCTOR_OPTIONS}
    assert {"dir", "proxy", "no-proxy", "cacert", "ipv4", "ipv6", "connect-to", "interface", "user", "json"} <= names

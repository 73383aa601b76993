"""`upgrade` against a release server on loopback: what it says, and what it refuses."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastdl import __version__
from fastdl.__main__ import main
from fastdl.cli import upgrade
from fastdl.core.ways import Facts
from fastdl.engine import releases
from fastdl.engine.releases import read_release
from fastdl.errors import IntegrityError
from fastdl.io import lockfile, onedir
from servers.attested import Attester
from servers.files import FileApp, Reply
from servers.raw import RawServer
from servers.releases import API, NEW, Releases, archive_name
from servers.run import Runner
from upgrading import PARTS, POSIX, Said, archive, facts, stand_in, state
from upgrading import attester as attester
from upgrading import home as home
from upgrading import say as say
from upgrading import server as server
from upgrading import unpacked as unpacked


@pytest.fixture
def by_pipx(monkeypatch: pytest.MonkeyPatch) -> None:
    place = "/home/user/.local/share/pipx/venvs/the-name"
    marks = frozenset({"pipx_metadata.json"})
    facts(monkeypatch, Facts(f"{place}/bin/python", "x", place, "linux", {}, marks, name="the-name", installer="pip"))


# --- what it says ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("by_pipx")
@pytest.mark.parametrize("args", [[], ["--check"]])
def test_a_package_managers_command_is_named(server: Releases, say: Said, args: list[str]) -> None:
    server.release()
    code, out, err = say(*args)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"fastdl {NEW} is out; this is {__version__}, installed by pipx",
        "upgrade with: pipx upgrade the-name",
    ]


@pytest.mark.usefixtures("by_pipx")
@pytest.mark.parametrize(
    ("version", "text"),
    [
        (__version__, "is the newest"),
        ("0.0.1", "is newer than 0.0.1, the newest release"),
        (f"{NEW}rc1", "is the newest"),
    ],
)
def test_nothing_to_do(server: Releases, say: Said, version: str, text: str) -> None:
    server.release(version)
    assert say() == (0, f"fastdl {__version__} {text}\n", "")


@pytest.mark.parametrize(
    ("tag", "more", "mine", "offered"),
    [
        ("2.0", {}, "1.0", True),
        ("2.0", {"prerelease": True}, "1.0", False),
        ("2.0", {"draft": True}, "1.0", False),
        ("2.0", {"prerelease": True}, "2.0rc1", True),
        ("2.0b1", {}, "1.0", False),
        ("2.0b1", {}, "2.0a3", True),
        ("2.0", {}, "2.0", False),
        ("1.9", {}, "2.0", False),
        ("2.0", {}, "unknown", False),
    ],
)
def test_whom_a_release_is_for(tag: str, more: dict[str, bool], mine: str, offered: bool) -> None:
    release = read_release(json.dumps({"tag_name": tag, **more}), "https://example.org/latest")
    assert release.is_for(mine) is offered


@pytest.mark.usefixtures("by_pipx")
def test_json(server: Releases, say: Said) -> None:
    server.release()
    code, out, _ = say("--check", "--json")
    assert code == 0
    assert json.loads(out) == {
        "version": __version__,
        "newest": NEW,
        "newer": True,
        "url": "https://example.org/fastdl/releases",
        "installed_by": "pipx",
        "command": "pipx upgrade the-name",
        "upgraded": False,
    }


@pytest.mark.usefixtures("unpacked")
def test_check_replaces_nothing(server: Releases, say: Said, unpacked: Path) -> None:
    server.publish(archive())
    before = state(unpacked.parent)
    code, out, _ = say("--check")
    assert code == 0 and out.splitlines()[1] == "upgrade with: fastdl upgrade"
    assert state(unpacked.parent) == before
    assert [request.target for request in server.asked] == [API]


def test_it_runs_as_a_command(fastdl: Runner, server: Releases) -> None:
    server.release()
    env = {name: os.environ[name] for name in ("FASTDL_RELEASES", "FASTDL_CACERT")}
    told = fastdl("upgrade", "--check", env=env)
    assert told.code == 0, told.err
    assert f"fastdl {NEW} is out" in told.out
    assert len(told.out.splitlines()) == 2


def test_nobody_is_told_the_users_secrets(server: Releases, say: Said, home: Path) -> None:
    config = 'header = ["X-Team: s3cr3t"]\nuser = "alice:s3cr3t"\nextract = true\nhistory = true\n'
    (home / "config.toml").write_text(config, encoding="utf-8")
    server.release(__version__)
    assert say()[0] == 0
    assert server.asked
    assert not [request.raw for request in server.asked if b"s3cr3t" in request.raw or request.get("authorization")]
    assert main(["history", "--json"]) == 0


# --- what it refuses -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("by_pipx")
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (None, 4),
        (b"<html>sign in", 3),
        (b"[]", 3),
        (b'{"tag_name": "nightly"}', 3),
        (b'{"tag_name": 7}', 3),
        (b'{"tag_name": "v1", "assets": [{"name": "../x", "browser_download_url": "/x"}]}', 3),
        (b'{"tag_name": "v1", "assets": [{"name": "x", "browser_download_url": "ftp://x"}]}', 3),
        (b'{"tag_name": "v1", "assets": 7}', 3),
        (b"[" * 100_000, 3),
    ],
)
def test_an_answer_that_is_no_release(server: Releases, say: Said, answer: bytes | None, code: int) -> None:
    if answer is not None:
        server.files[API] = answer
    got, out, err = say("--check")
    assert (got, out) == (code, "")
    assert err.startswith("fastdl: error: ") and err.count("\n") == 1


def test_no_server(say: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(Releases(Attester()).handle) as raw:
        url = raw.url(API)
    monkeypatch.setenv("FASTDL_RELEASES", url)
    code, out, err = say()
    assert (code, out, err.count("\n")) == (3, "", 1)


@pytest.mark.parametrize("url", ["http://example.org/latest", "example.org/latest", "ftp://example.org/x"])
def test_an_address_that_cannot_be_trusted(say: Said, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("FASTDL_RELEASES", url)
    code, _, err = say()
    assert code == 2 and err.count("\n") == 1


def test_a_server_on_this_machine_leads_nobody_to_plain_http(say: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may speak plain HTTP itself. No other server may: a redirect from https to http is never followed."""
    app = Releases(Attester())
    app.release()
    with RawServer(app.handle) as raw:
        elsewhere = [("Location", f"http://example.org{API}"), ("Content-Length", "0")]
        moved = FileApp(hook=lambda connection, request, reply: Reply(302, headers=elsewhere))
        with RawServer(moved.handle) as first:
            monkeypatch.setenv("FASTDL_RELEASES", first.url(API))
            monkeypatch.setenv("FASTDL_CONNECT_TO", raw.url("").replace("http://", "example.org:80:"))
            code, out, err = say("--check")
    assert (code, out) == (5, "")
    assert "led to plain HTTP" in err and err.count("\n") == 1


def test_an_untrusted_certificate(server: Releases, say: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    server.release()
    monkeypatch.delenv("FASTDL_CACERT")
    monkeypatch.setenv("FASTDL_INSECURE", "1")  # holds for downloads, not for what is going to run
    assert say()[0] == 3
    assert say("--insecure")[0] == 2


def attests(app: Releases, *, name: str = "", data: bytes = b"", version: str = NEW, **changes: Any) -> str:
    """What attests a release, or something else."""
    return app.attester.bundle({name or archive_name(NEW): data or archive()}, version, **changes)


def moved(app: Releases, path: str) -> None:
    """A release of which one file is to be had without TLS alone."""
    app.publish(archive())
    app.files[API] = app.files[API].replace(f'"{path}"'.encode(), b'"http://example.org/x"')


@POSIX
@pytest.mark.parametrize(
    ("break_it", "code", "text"),
    [
        (lambda app: app.publish(archive(), sums=f"{'0' * 64}  {archive_name(NEW)}\n"), 5, "attests another"),
        (lambda app: (app.publish(archive()), app.files.update({"/dl/" + archive_name(NEW): b"x"})), 5, "sha256"),
        (lambda app: app.publish(archive(), sums=f"{'0' * 64}  other.zip\n"), 5, "does not name"),
        (lambda app: app.publish(archive(), sums=""), 5, "does not name"),
        (lambda app: app.release(**{archive_name(NEW): "/dl/x"}), 5, "no SHA256SUMS"),
        (lambda app: app.release(**{"fastdl-99.1-amiga.zip": "/x", "SHA256SUMS": "/y"}), 4, "not for this machine"),
        (lambda app: app.publish(archive(), bundle=""), 5, "it is empty"),
        (lambda app: app.publish(archive(), bundle="<html>"), 5, "no JSON"),
        (lambda app: app.publish(archive(), bundle="{}"), 5, "no bundle of Sigstore"),
        (lambda app: app.publish(archive(), bundle=attests(app, data=b"x")), 5, "another"),
        (lambda app: app.publish(archive(), bundle=attests(app, name="other")), 5, "another"),
        (lambda app: app.publish(archive(), bundle=attests(app, version="99.0")), 5, "v99.0"),
        (lambda app: app.publish(archive(), bundle=attests(Releases(Attester()))), 5, "forged"),
        (lambda app: (app.publish(archive()), app.unattested()), 5, "it has no fastdl-99.1.sigstore.json"),
        (lambda app: app.publish(archive(says="99.2")), 5, "it says 'fastdl 99.2'"),
        (lambda app: app.publish(archive(code=1)), 5, "it ended with 1"),
        (lambda app: app.publish(archive(top="../fastdl/")), 5, "not safe"),
        (lambda app: app.publish(archive(top="")), 5, "one folder"),
        (lambda app: app.publish(b"no archive at all"), 5, "not the archive"),
        (lambda app: app.publish(archive()[:-20]), 5, "cut off). Nothing was replaced"),
        (lambda app: app.publish(archive(), bundle="1 " * 1_000), 5, "more than"),
        (lambda app: app.publish(archive(), bundle=" " * releases.MOST_TEXT + "{}"), 3, "is too long"),
        (lambda app: app.publish(archive(), bundle=attests(app, workflow="https://x\x1b[31m\nx")), 5, "https://x"),
        (lambda app: moved(app, "/dl/SHA256SUMS"), 5, "SHA256SUMS comes over plain HTTP"),
        (lambda app: moved(app, "/dl/attested"), 5, "json comes over plain HTTP"),
        (lambda app: moved(app, "/dl/" + archive_name(NEW)), 5, "comes over plain HTTP"),
        (lambda app: app.publish(stand_in("#!/bin/sh\nexec sleep 60\n")), 5, "it hangs"),
        (lambda app: app.publish(stand_in("\0")), 5, "does not start here"),
        (lambda app: (app.publish(archive()), app.files.pop("/dl/" + archive_name(NEW))), 4, "404"),
    ],
)  # fmt: skip
def test_what_does_not_replace_it(
    server: Releases,
    say: Said,
    unpacked: Path,
    monkeypatch: pytest.MonkeyPatch,
    break_it: Callable[[Releases], None],
    code: int,
    text: str,
) -> None:
    monkeypatch.setattr(onedir, "PATIENCE", 0.5 if text == "it hangs" else onedir.PATIENCE)
    break_it(server)
    before = state(unpacked.parent)
    got, out, err = say()
    assert (got, out) == (code, ""), err
    assert text in err and err.count("\n") == 1 and "\x1b" not in err
    assert state(unpacked.parent) == before, "the old one is there, and nothing else"


@POSIX
def test_a_second_upgrade_at_the_same_time(server: Releases, say: Said, unpacked: Path) -> None:
    server.publish(archive())
    with lockfile.held(str(unpacked.parent / f"{upgrade.WORKSHOP}.lock"), 0):
        assert say()[0] == 9
    assert (unpacked / PARTS / "lib").read_text(encoding="utf-8") == "lib old"


@POSIX
def test_an_old_one_that_cannot_go_back_is_not_removed(
    server: Releases, say: Said, unpacked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.publish(archive())
    starts, replace = onedir.starts, os.replace

    def stuck(source: str, target: str) -> None:
        raise PermissionError(13, "in use")

    def first_only(program: str, version: str, environ: Any) -> None:
        if upgrade.WORKSHOP in program:
            starts(program, version, environ)
            return
        monkeypatch.setattr(os, "replace", stuck)
        raise IntegrityError("it does not start here")

    monkeypatch.setattr(onedir, "starts", first_only)
    code, _, err = say()
    monkeypatch.setattr(os, "replace", replace)
    assert code == 6 and str(unpacked.parent / upgrade.WORKSHOP) in err
    (old,) = (unpacked.parent / upgrade.WORKSHOP).glob("old-*")
    assert f"fastdl {__version__}" in (old / "fastdl").read_text(encoding="utf-8")
    assert (unpacked / PARTS / "lib").read_text(encoding="utf-8") == "lib old"

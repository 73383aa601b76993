"""Reading netrc, cookie files, the environment; never hanging for an answer."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.credentials import NetrcEntry, basic
from fastdl.core.urls import parse_url
from fastdl.errors import UsageError
from fastdl.io import secrets
from fastdl.io.secrets import load_credentials, parse_netrc
from fastdl.settings import Settings


def authorization(settings: Settings, environ: dict[str, str], url: str = "https://a.example/") -> str | None:
    target = parse_url(url)
    return dict(load_credentials(settings, environ).headers_for(target, target, 0.0)).get("Authorization")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("machine a login b password c", [NetrcEntry("a", "b", "c")]),
        ("machine A.Example\n\tlogin b\n\tpassword c\n", [NetrcEntry("a.example", "b", "c")]),
        ("default login x password y\nmachine a login b password c",
         [NetrcEntry("a", "b", "c"), NetrcEntry(None, "x", "y")]),
        ("# comment\nmachine a login b#1 password #c", [NetrcEntry("a", "b#1", "#c")]),
        ('machine a login "b c" password "d\\"e\\\\"', [NetrcEntry("a", "b c", 'd"e\\')]),
        ("machine a account z login b password c port 99", [NetrcEntry("a", "b", "c")]),
        ("macdef init\nmachine evil login x password y\n\nmachine a login b password c", [NetrcEntry("a", "b", "c")]),
        ("machine a password c", [NetrcEntry("a", "", "c")]),
        ("machine a\nmachine b login c password d", [NetrcEntry("b", "c", "d")]),
        ("", []),
    ],
)  # fmt: skip
def test_netrc(text: str, expected: list[NetrcEntry]) -> None:
    assert parse_netrc(text, "n") == expected


@pytest.mark.parametrize("text", ["\nmachine", "\nmachine a login", "\nmachine a login b password", "\nlogin hush"])
def test_broken_netrc_names_file_and_line(text: str) -> None:
    with pytest.raises(UsageError, match="my-netrc, line 2") as caught:
        parse_netrc(text, "my-netrc")
    assert "hush" not in str(caught.value)


@given(st.text())
def test_any_netrc_is_read_or_refused(text: str) -> None:
    try:
        entries = parse_netrc(text, "n")
    except UsageError:
        return
    assert all(entry.machine != "" for entry in entries)


@pytest.mark.parametrize("name", [".netrc", "_netrc"])
def test_netrc_is_read_from_home_only_when_asked(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("machine a.example login ann password pw")
    home = {"HOME": str(tmp_path)}
    assert authorization(Settings(netrc=True), home) == basic("ann", "pw")
    assert authorization(Settings(), home) is None


def test_netrc_by_variable_and_by_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("machine a.example login ann password pw")
    assert authorization(Settings(netrc=True), {"NETRC": str(path), "HOME": "/nowhere"}) == basic("ann", "pw")
    assert authorization(Settings(netrc_file=str(path)), {}) == basic("ann", "pw")


def test_missing_files_are_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    for settings in (Settings(netrc_file=missing), Settings(cookies=missing)):
        with pytest.raises(UsageError, match="missing"):
            load_credentials(settings, {})
    with pytest.raises(UsageError, match="--netrc"):
        load_credentials(Settings(netrc=True), {"HOME": str(tmp_path)})


def test_cookie_files_in_any_encoding(tmp_path: Path) -> None:
    path = tmp_path / "cookies.txt"
    target = parse_url("http://a.example/")
    for encoding in ("utf-8", "utf-8-sig", "latin-1"):
        path.write_text("a.example\tFALSE\t/\tFALSE\t0\tn\tä", encoding=encoding)
        headers = dict(load_credentials(Settings(cookies=str(path)), {}).headers_for(target, target, 0.0))
        assert headers["Cookie"] == "n=\xc3\xa4"


def test_bearer_from_the_environment() -> None:
    assert authorization(Settings(bearer_env="TOKEN"), {"TOKEN": "t0k\n"}) == "Bearer t0k"
    for environ in ({}, {"TOKEN": " "}):
        with pytest.raises(UsageError, match="TOKEN"):
            load_credentials(Settings(bearer_env="TOKEN"), environ)


def test_no_terminal_is_an_error_and_not_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets.sys, "stdin", io.StringIO("typed\n"))
    with pytest.raises(UsageError, match="terminal"):
        secrets.ask_password("? ", "-u has no password", "hint")

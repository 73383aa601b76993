"""Settings that cannot be: each is named as it was given, and no secret is repeated."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdl import config
from fastdl.combinations import check_files, check_urls
from fastdl.config import load
from fastdl.errors import UsageError
from fastdl.options import OPTIONS
from fastdl.settings import Settings
from layers import SHA, write
from layers import nowhere as nowhere


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"ipv4": True, "ipv6": True}, ["--ipv4", "--ipv6"]),
        ({"overwrite": True, "auto_rename": True}, ["--overwrite", "--auto-rename"]),
        ({"skip_existing": True, "auto_rename": True}, ["--skip-existing", "--auto-rename"]),
        ({"proxy": "http://p.example.org", "no_proxy": True}, ["--proxy", "--no-proxy"]),
    ],
)
def test_options_that_exclude_each_other(values: dict[str, Any], names: list[str], nowhere: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        load(values, nowhere)
    assert all(name in str(caught.value) for name in names)


def test_a_key_without_its_certificate_is_named_as_it_was_given(nowhere: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"^--key is given without"):
        load({"key": "x"}, nowhere)
    with pytest.raises(UsageError, match=r"^FASTDL_KEY is given without"):
        load({}, {**nowhere, "FASTDL_KEY": "x"})


def test_excluding_variables_are_named_as_variables(nowhere: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="FASTDL_IPV4 and FASTDL_IPV6 exclude"):
        load({}, {**nowhere, "FASTDL_IPV4": "1", "FASTDL_IPV6": "true"})


BAD = [
    ("connections", "0"), ("connections", "257"), ("connections", "x"), ("connections", "-1"), ("connections", "٣"),
    ("per-host", "auto"), ("jobs", "1.5"), ("retries", "-1"), ("retries", ""),
    ("min-split", "0"), ("min-split", "k"), ("max-size", "-1"), ("max-size", "10Q"), ("limit-rate", "fast"),
    ("timeout", "0"), ("timeout", "nan"), ("timeout", "inf"), ("connect-timeout", "-2"), ("max-time", "soon"),
    ("http", "3"), ("progress", "fancy"), ("checksum", "sha256:12"), ("checksum", "crc32:00"), ("mirror", ["x"]),
    ("mirror", ["ftp://example.org/a"]), ("header", ["no colon"]), ("header", ["A:"]), ("header", [": b"]),
    ("header", ["A b: c"]), ("header", ["A: b\nC: d"]), ("header", ["Range: bytes=0-"]),
    ("header", ["Transfer-Encoding: chunked"]), ("connect-to", ["a:b:c:d"]), ("connect-to", ["a:1:b"]),
    ("connect-to", ["a:1:b:70000"]), ("connect-to", ["::1:1:b:2"]), ("connect-to", ["[zz]:1:b:2"]),
    ("user", ":x"), ("user", ""), ("user", "a\nb:c"),
    ("proxy", "ftp://p.example.org"), ("proxy", "http://"), ("proxy", "http://p.example.org:99999"),
    ("user-agent", "a\r\nb"), ("referer", ""), ("output", ""), ("dir", ""), ("dir", "a\0b"), ("interface", "a b"),
    ("bearer-env", "A=B"), ("bearer-env", "NOT_SET_ANYWHERE"), ("key", "k.pem"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_values_name_the_option(name: str, value: Any, nowhere: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        load({name.replace("-", "_"): value}, nowhere)
    assert "--" + name in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, v in BAD if v and n not in ("key", "bearer-env")])
def test_bad_variables_are_named(name: str, value: Any, nowhere: dict[str, str]) -> None:
    text = value[0] if isinstance(value, list) else value
    if "\0" in text or (name == "header" and "\n" in text):
        return  # cannot stand in a variable, or is two headers there
    variable = "FASTDL_" + name.upper().replace("-", "_")
    with pytest.raises(UsageError) as caught:
        load({}, {**nowhere, variable: text})
    assert str(caught.value).startswith(variable + ":")


@pytest.mark.parametrize(
    ("text", "line", "key", "more"),
    [
        ("jobs = 1\nretires = 4\n", 2, "retires", "did you mean retries?"),
        ("jobs = 1\n\n[mirror]\nx = 1\n", 3, "mirror", ""),
        ('jobs = "many"\n', 1, "jobs", "a whole number"),
        ("# x\nquiet = 1\n", 2, "quiet", "true or false"),
        ('quiet = "maybe"\n', 1, "quiet", "true or false"),
        ("timeout = true\n", 1, "timeout", ""),
        ("header = [1]\n", 1, "header", "list of texts"),
        ("max-size = 1.5\n", 1, "max-size", ""),
        ('min-split = "1k"\nmin_split = "2k"\n', 2, "min_split", "set twice"),
        ("jobs = 1\njobs = 2\n", 2, "jobs", "TOML"),
        ("jobs = 1\ndir = ~/x\n", 2, "dir", "TOML"),
        ("jobs\n", 1, "", "TOML"),
        ('"http" = 3\n', 1, "http", "one of"),
        ("unknown.deep = 3\n", 1, "unknown", "no such setting"),
        ("# x\n[settings]\njobs = 3\n", 2, "settings", "settings stand in no table"),
        ("jobs = 1\njobs = 2\n", 2, "jobs", "remove one of the two"),
        ("quiet = yes\n", 1, "quiet", "Write quiet = true or quiet = false."),
        ("limit-rate = 500k\n", 1, "limit-rate", "Texts stand in quotes"),
        ("jobs: 8\n", 1, "", "written as connections = 8"),
        ("cdn = false\n", 1, "cdn", "'false' is not valid"),
        ('jobs = 1\nkey = "x.pem"\n', 2, "key", "without --cert"),
        ('\nbearer-env = "NOT_SET_ANYWHERE"\n[rules]\n', 2, "bearer-env", "it is not set"),
    ],
)
def test_a_bad_file_names_file_line_and_key(
    text: str, line: int, key: str, more: str, tmp_path: Path, nowhere: dict[str, str]
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        load({}, nowhere, path)
    message = str(caught.value)
    assert message.startswith(f"{path}, line {line}")
    assert not key or f"key {key}" in message
    assert more in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("user", ":hunter2"),
        ("header", ["Authorization hunter2"]),
        ("header", ["X y: hunter2"]),
        ("header", ["X: hunter2\x01"]),
        ("proxy", "gopher://me:hunter2@p.example.org/"),
        ("proxy", "http://me:hunter2@p.example.org:x/"),
        ("mirror", ["ftp://me:hunter2@m.example.org/f"]),
        ("mirror", ["https://m.example.org:x/f?token=hunter2"]),
    ],
)
def test_a_secret_is_never_repeated(name: str, value: Any, tmp_path: Path, nowhere: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        load({name: value}, nowhere)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(UsageError) as caught:
        load({}, {**nowhere, "FASTDL_" + name.upper(): value[0] if isinstance(value, list) else value})
    assert "hunter2" not in str(caught.value)


def test_a_config_file_that_is_named_must_be_there(tmp_path: Path, nowhere: dict[str, str]) -> None:
    missing = str(tmp_path / "missing.toml")
    with pytest.raises(UsageError, match="does not exist"):
        load({}, {**nowhere, "FASTDL_CONFIG": missing})
    with pytest.raises(UsageError, match="cannot be read"):
        load({}, {**nowhere, "FASTDL_CONFIG": str(tmp_path)})


URL = "http://example.org/a"


@pytest.mark.parametrize(
    ("settings", "urls", "part"),
    [
        (Settings(), [], "no URL"),
        (Settings(), ["example.org/x"], "https://example.org/x"),
        (Settings(), [URL, "http://exa mple.org/"], "host"),
        (Settings(output="x"), [URL, URL + "b"], "--output"),
        (Settings(checksum=SHA), [URL, URL + "b"], "--checksum"),
        (Settings(mirrors=[URL]), [URL, URL + "b"], "--mirror"),
    ],
)
def test_urls_are_checked_first(settings: Settings, urls: list[str], part: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_urls(settings, urls)
    assert part in str(caught.value)


def test_named_files_must_be_there(tmp_path: Path) -> None:
    there = tmp_path / "a"
    there.write_text("x", encoding="utf-8")
    check_files(Settings(cacert=str(there), cookies=str(there)))
    check_files(Settings(cacert=str(tmp_path)))
    for name in ("netrc_file", "cookies", "cert", "key", "cacert"):
        with pytest.raises(UsageError, match="--" + name.replace("_", "-")):
            check_files(Settings(**{name: str(tmp_path / "missing")}))
    with pytest.raises(UsageError, match="folder"):
        check_files(Settings(cookies=str(tmp_path)))


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([o.variable for o in OPTIONS]), st.text(max_size=30)))
def test_any_environment_gives_settings_or_a_usage_error(environ: dict[str, str]) -> None:
    try:
        layer = config.from_environment(environ)
    except UsageError as error:
        assert str(error).startswith("FASTDL_")
    else:
        assert set(layer) <= {o.key for o in OPTIONS}


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_as_config_file_gives_settings_or_a_usage_error(tmp_path_factory: Any, text: str) -> None:
    path = os.path.join(tmp_path_factory.getbasetemp(), f"any-{os.getpid()}.toml")
    with open(path, "w", encoding="utf-8", errors="replace", newline="") as file:
        file.write(text)
    try:
        config.from_file(path, required=True)
    except UsageError as error:
        assert path in str(error)

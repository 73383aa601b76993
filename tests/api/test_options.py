"""The options of the API are those of the command, but for what makes no sense to a program."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

import fastdl
from fastdl.api import settings
from fastdl.core.lists.keys import ONE_FILE
from fastdl.options import BY_KEY, OPTIONS, SETTINGS, Option
from fastdl.settings import Settings

OWN = {"sha256"}  # the command has --json for it


def test_every_option_of_the_command_is_one_or_is_left_out_for_a_reason() -> None:
    table = {option.key for option in (*OPTIONS, *SETTINGS)}
    assert table - settings.LEFT_OUT.keys() == settings.ALL - OWN
    assert not settings.ALL & settings.LEFT_OUT.keys()


def test_a_job_has_what_a_file_of_a_list_has() -> None:
    assert settings.OF_A_JOB - OWN == ONE_FILE


def kinds() -> Iterator[tuple[str, Option, str]]:
    for key, note in fastdl.Options.__annotations__.items():
        if key not in OWN:
            yield key, settings.TABLE[key], str(getattr(note, "__forward_arg__", note))


@pytest.mark.parametrize(("key", "option", "note"), list(kinds()), ids=lambda value: value if value in BY_KEY else "")
def test_types_are_those_of_the_table(key: str, option: Option, note: str) -> None:
    expected = {
        "flag": "bool | None",
        "text": "str | None",
        "choice": "str | None",
        "path": "StrPath | None",
        "list": "Texts | None",
        "size": "Size | None",
        "rate": "Size | None",
        "seconds": "float | str | None",
        "count": "int | str | None" if option.words else "int | None",
    }[option.kind]
    special = {"output": "StrPath | None", "header": "Texts | Mapping[str, str] | None"}
    assert note == special.get(key, expected)


VALUES = {
    "flag": True, "path": "p", "size": "2M", "rate": "2M", "seconds": 2, "count": 2, "text": "t", "list": ["http://a/"],
}  # fmt: skip
SPECIAL = {
    "checksum": "md5:" + "0" * 32, "user": "n:p", "bearer_env": "PATH", "header": ["K: V"], "connect_to": ["::b:1"],
    "region": "DE", "proxy": "http://p/", "interface": "lo", "cert": __file__, "key": __file__, "cacert": __file__,
    "netrc_file": __file__, "cookies": __file__,
}  # fmt: skip


@pytest.mark.parametrize("key", sorted(settings.ALL - OWN))
def test_each_option_changes_a_setting(key: str) -> None:
    option = settings.TABLE[key]
    value = SPECIAL.get(key, option.words[0] if option.kind == "choice" else VALUES.get(option.kind))
    if option.negatable and option.default == "on":
        value = False
    given = {key: value}
    if key == "key":
        given["cert"] = __file__
    made = settings.settings_for(given, several=key == "lock")
    plain = settings.settings_for({})
    if key in ("cdn", "trust", "http", "history") and made == plain:  # the first word may be the default
        made = settings.settings_for({key: option.words[-1] if option.words else True})
    assert made != plain
    assert settings.settings_for({key: None}) == plain


def test_what_it_is_without_options() -> None:
    made = settings.settings_for({})
    assert made == Settings(history=False)


def test_a_path_may_have_a_home_folder() -> None:
    assert not re.search("~", settings.settings_for({"dir": "~/in"}).dir)


def test_a_job_takes_the_options_of_the_call_and_its_own() -> None:
    run = settings.settings_for({"user_agent": "run", "timeout": 3, "overwrite": True}, several=True)
    file = settings.file_of(4, fastdl.Job("http://a.test/", user_agent="own", skip_existing=True), run)
    assert file.error is None
    made = file.settings
    assert (made.user_agent, made.timeout, made.overwrite, made.skip_existing) == ("own", 3.0, False, True)
    assert settings.file_of(5, "http://a.test/", run).settings is run
    assert settings.file_of(5, fastdl.Job("http://a.test/"), run).settings is run

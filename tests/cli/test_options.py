"""The table of options: it agrees with itself, with Settings and with the contract's list."""

from __future__ import annotations

from dataclasses import fields

from fastdl.config import FIELDS
from fastdl.options import BY_KEY, EXCLUSIVE, OPTIONS, SETTINGS
from fastdl.settings import Settings

TOGETHER = {"ipv4": "family", "ipv6": "family", "no_continue": "resume", "no_proxy": "use_proxy", "no_cdn": "cdn"}


def test_names_and_letters_are_unique() -> None:
    spellings = ["--" + option.name for option in OPTIONS]
    spellings += ["-" + option.short for option in OPTIONS if option.short]
    spellings += ["--no-" + option.name for option in OPTIONS if option.negatable]
    assert len(spellings) == len(set(spellings))


def test_every_option_reaches_settings_and_every_setting_has_an_option() -> None:
    reached = {TOGETHER.get(key, FIELDS.get(key, key)) for key in BY_KEY}
    reached |= {option.key for option in SETTINGS}
    # Tables of the config file; of the journal, for `resume`; what netrc and such hold, for a cluster; a variable.
    beside = {"rules", "checksum_by", "secrets", "writer"}
    assert reached | beside == {field.name for field in fields(Settings)}


def test_defaults_that_are_shown_are_the_defaults() -> None:
    settings = Settings()
    shown = {option.key: option.default for option in OPTIONS if option.default.isdigit()}
    assert shown == {
        key: str(int(getattr(settings, key))) for key in ("per_host", "jobs", "timeout", "connect_timeout", "retries")
    }
    assert all(getattr(settings, option.key) is True for option in (*OPTIONS, *SETTINGS) if option.negatable)


def test_every_option_explains_itself() -> None:
    for option in (*OPTIONS, *SETTINGS):
        assert option.help.endswith("."), option.name
        assert option.group
        assert option.metavar or not option.takes_value, option.name


def test_excluding_options_exist() -> None:
    assert all(key in BY_KEY for group in EXCLUSIVE for key in group)

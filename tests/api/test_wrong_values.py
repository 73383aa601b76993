"""Whatever a program gives by mistake: a UsageError of one line at once, never another error somewhere inside."""

from __future__ import annotations

import decimal
import math
from concurrent.futures import ThreadPoolExecutor

import pytest

import fastdl
from fastdl import errors
from fastdl.api import settings

URL = "http://127.0.0.1:9/f"


class Untellable:
    """Not even its text can be had."""

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


class NoPath:
    """Says that it is a path, and is none."""

    def __fspath__(self) -> int:
        return 5


VALUES = [
    10**400, -(10**400), 10**5000, -1, 1.5, math.nan, math.inf, True, "", " ", "x\0y", "x\ny", "\udcff", "x" * 5000,
    b"x", [1], [None], [["a"]], {"X": 1}, {"X": None}, {1: "x"}, {"X: Y": "z"}, {"X": "a\r\nb"}, decimal.Decimal(3),
    3j, object(), Untellable(), NoPath(), "9" * 5000, "nan", "\uff11",
]  # fmt: skip


@pytest.mark.parametrize("key", sorted(settings.ALL))
def test_no_value_of_an_option_leads_to_another_error(key: str) -> None:
    for value in VALUES:
        for call in (fastdl.Download, fastdl.aio.Download, lambda _, **options: fastdl.download_each([], **options)):
            try:
                call(URL, **{key: value})  # type: ignore[operator]
            except errors.UsageError as error:
                assert "\n" not in str(error)
        if key in settings.OF_A_JOB:
            file = settings.file_of(0, fastdl.Job(URL, **{key: value}), settings.settings_for({}))  # type: ignore[misc]
            assert file.error is None or isinstance(file.error, errors.UsageError)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"timeout": 10**400}, "timeout: "),
        ({"max_time": 5e6}, "max_time: "),
        ({"limit_rate": 2**63}, "limit_rate: "),
        ({"max_size": 2**63}, "it is too large"),
        ({"http": 10**5000}, "'a int' is not valid"),
        ({"header": {"X-Number": 0}}, "a dict of texts"),
        ({"header": {"X-A: b": "c"}}, "a colon"),
        ({"sha256": "perhaps"}, "sha256: 'perhaps'"),
        ({"dir": NoPath()}, "a NoPath is no path"),
        ({"on_event": "print"}, "on_event: a str cannot be called"),
    ],
)
def test_what_looks_right_and_is_not(options: dict[str, object], part: str) -> None:
    for call in (fastdl.Download, fastdl.aio.Download, fastdl.download):
        with pytest.raises(errors.UsageError) as caught:
            call(URL, **options)  # type: ignore[arg-type]
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("jobs", "more"),
    [
        (None, {}),
        (5, {}),
        ([], {"executor": 5}),
        ([], {"executor": "x"}),
        ([], {"executor": ThreadPoolExecutor}),
        ([], {"on_event": "print"}),
    ],
)
def test_what_is_no_list_no_executor_no_callback(jobs: object, more: dict[str, object]) -> None:
    for call in (fastdl.download_many, fastdl.download_each, fastdl.aio.download_each):
        with pytest.raises(errors.UsageError):
            call(jobs, **more)  # type: ignore[arg-type, operator]


def test_the_digest_may_be_asked_for_in_words() -> None:
    assert settings.settings_for({"sha256": "yes"}).json
    assert not settings.settings_for({"sha256": "no"}).json

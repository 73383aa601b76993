"""The rules of `stats --check`: what is taken, and what each complaint names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.threshold_rules import rules_of
from fastdl.core.thresholds import METRICS, Rule
from fastdl.core.toml_edit import loads
from fastdl.errors import UsageError


def read(text: str) -> list[Rule]:
    return rules_of(loads(text), text, "r.toml")


def complaint(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        read(text)
    assert str(caught.value).isprintable()
    assert caught.value.hint
    return str(caught.value)


def test_everything_that_a_rule_may_say() -> None:
    text = """
# a remark
[[rule]]
name = "slow"
metric = "throughput"
days = 1.5
against = 28
host = "*.Example.org:8443"
fell_by = "30%"
below = "5M"
least = 3
smallest = "64k"

[[rule]]
metric = "failures"
above = "2.5%"
"""
    slow, failures = read(text)
    assert slow == Rule(
        "throughput", 1.5, 28.0, 0.3, None, 5 << 20, None, "*.example.org:8443", 3, 65536, "slow", 3
    )  # fmt: skip
    assert failures == Rule("failures", above=0.025, line=14)


@pytest.mark.parametrize(
    ("metric", "raw", "value"),
    [
        ("throughput", '"2M"', 2 << 20), ("throughput", '"500k/s"', 500 << 10), ("throughput", "1000", 1000),
        ("duration", '"5m"', 300), ("duration", "2.5", 2.5), ("volume", '"1G"', 1 << 30), ("volume", "7", 7),
        ("errors", "0.5", 0.5), ("downloads", "0", 0), ("failures", '"0%"', 0), ("waste", '"100 %"', 1),
    ],
)  # fmt: skip
def test_amounts_are_in_the_metrics_unit(metric: str, raw: str, value: float) -> None:
    for key in ("below", "above"):
        (rule,) = read(f'[[rule]]\nmetric = "{metric}"\n{key} = {raw}')
        assert getattr(rule, key) == pytest.approx(value)


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ('metric = "throughput"', "line 1: the rule has no threshold (one of fell_by, rose_by, below, above"),
        ('fell_by = "3%"', "line 1: the rule has no metric (one of throughput,"),
        ('metric = "troughput"\nbelow = 1', "no such metric 'troughput' (did you mean throughput?)"),
        ('metric = "x"\nbelow = 1', "line 2, key metric: no such metric 'x' (one of throughput,"),
        ('metric = ["errors"]\nabove = 1', "line 2, key metric"),
        ('metric = "errors"\nfel_by = "3%"', "line 3, key fel_by: no such key (did you mean fell_by?)"),
        ('metric = "errors"\nzzz = "3%"', "line 3, key zzz: no such key (known are metric,"),
        ('metric = "errors"\nfell_by = 30', "line 3, key fell_by: '30' is not valid (a percentage"),
        ('metric = "errors"\nfell_by = "30"', "line 3, key fell_by"),
        ('metric = "errors"\nfell_by = "0%"', "above 0 and at most 100%"),
        ('metric = "errors"\nfell_by = "101%"', "at most 100%"),
        ('metric = "errors"\nrose_by = "-3%"', "key rose_by"),
        ('metric = "errors"\nrose_by = "1%"\nfell_by = "1%"', "key rose_by: fell_by and rose_by exclude each other"),
        ('metric = "errors"\nbelow = 1\nabove = 2', "line 4, key above: below and above exclude each other"),
        ('metric = "errors"\nabove = -1', "line 3, key above: '-1' is not valid (a number is expected"),
        ('metric = "errors"\nabove = "5"', "line 3, key above"),
        ('metric = "errors"\nabove = true', "line 3, key above"),
        ('metric = "errors"\nabove = nan', "line 3, key above"),
        ('metric = "errors"\nabove = inf', "line 3, key above"),
        ('metric = "failures"\nabove = 5', 'a percentage is expected, such as "5%"'),
        ('metric = "failures"\nabove = "101%"', "line 3, key above"),
        ('metric = "throughput"\nbelow = "fast"', "line 3, key below: the rate 'fast' cannot be used"),
        ('metric = "throughput"\nbelow = "auto"', "line 3, key below: 'auto' is not valid (bytes a second"),
        ('metric = "duration"\nabove = "long"', "line 3, key above"),
        ('metric = "volume"\nbelow = 1979-05-27', "line 3, key below"),
        ('metric = "errors"\nabove = 1\ndays = 0', "line 4, key days: '0' is not valid (days are expected"),
        ('metric = "errors"\nabove = 1\ndays = 1e9', "line 4, key days"),
        ('metric = "errors"\nabove = 1\ndays = "7"', "line 4, key days"),
        ('metric = "errors"\nabove = 1\nagainst = 7', "line 4, key against: nothing is compared"),
        ('metric = "errors"\nabove = 1\nleast = 0', "line 4, key least"),
        ('metric = "errors"\nabove = 1\nleast = 1.5', "line 4, key least"),
        ('metric = "errors"\nabove = 1\nsmallest = "1M"', "line 4, key smallest: it is for throughput alone"),
        ('metric = "throughput"\nbelow = 1\nsmallest = -1', "line 4, key smallest"),
        ('metric = "errors"\nabove = 1\nhost = ""', "line 4, key host"),
        ('metric = "errors"\nabove = 1\nhost = "https://example.org/"', "line 4, key host"),
        ('metric = "errors"\nabove = 1\nname = " "', "line 4, key name"),
        ('metric = "errors"\nabove = 1\nname = 3', "line 4, key name"),
    ],
)  # fmt: skip
def test_complaints(lines: str, named: str) -> None:
    told = complaint(f"[[rule]]\n{lines}\n")
    assert told.startswith("r.toml, line ")
    assert named in told


def test_the_line_is_that_of_the_rule_at_fault() -> None:
    good = '[[rule]]\nmetric = "errors"\nabove = 1\n'
    text = f'{good}\n# [[rule]]\nx = """\n[[rule]]\n"""\n'
    assert complaint(text).startswith("r.toml, line 6, key x")
    assert complaint(f'{good}\n\n\n  [[ "rule" ]]\nmetric="errors"').startswith("r.toml, line 7: ")
    assert complaint(f"{good}{good}above_ = 3").startswith("r.toml, line 7, key above_")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "r.toml: there is no rule in it"),
        ("# nothing\n", "r.toml: there is no rule in it"),
        ("rule = []", "r.toml: there is no rule in it"),
        ("\nx = 1", "r.toml, line 2, key x: not known"),
        ("[rule]\nmetric = 'errors'\nabove = 1", "r.toml, line 1, key rule: not a list of rules"),
        ("rule = 3", "r.toml, line 1, key rule: not a list of rules"),
        ("rule = [1]", "r.toml, line 1, key rule: not a list of rules"),
        ("[[rules]]\nmetric = 'errors'\nabove = 1", "r.toml, line 1, key rules: not known"),
        ('[[rule]]\nmetric="errors"\nabove=1\n' * 1001, "r.toml: too many rules"),
    ],
)
def test_files_of_another_kind(text: str, named: str) -> None:
    assert named in complaint(text)


def test_a_list_in_one_line_is_toml_too() -> None:
    assert read('rule = [{metric = "errors", above = 1}]') == [Rule("errors", above=1.0, line=1)]


VALUES = st.one_of(st.integers(), st.floats(), st.booleans(), st.text(max_size=8), st.lists(st.integers(), max_size=2))
KEYS = st.sampled_from(
    ["metric", "days", "fell_by", "rose_by", "below", "above", "host", "least", "smallest", "name", "x"]
)


@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=5), max_size=3), st.sampled_from(METRICS))
def test_whatever_stands_there_is_a_rule_or_a_complaint(tables: list[dict[str, object]], metric: str) -> None:
    for table in tables:
        table.setdefault("metric", metric)
    try:
        rules = rules_of({"rule": tables}, "", "r.toml")
    except UsageError as error:
        assert not re.search(r"[\x00-\x1f\x7f]", str(error))
    else:
        assert len(rules) == len(tables)

"""The text format: what is written is what Prometheus' own reader reads."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.exposition import Family, Sample, number, render
from servers.real import package

text_string_to_metric_families = package("prometheus_client.parser").text_string_to_metric_families

NAMES = st.from_regex(r"[a-z][a-z_]{0,10}[a-z]", fullmatch=True)
# What the format has no way to write at all is taken out before (core/shown.clean).
VALUES = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters='\n\\"'), max_size=20)
NUMBERS = st.one_of(st.integers(0, 2**53), st.floats(allow_nan=False, width=64))
LABELS = st.dictionaries(NAMES, VALUES, max_size=3).map(lambda labels: tuple(labels.items()))


@given(NAMES, VALUES, st.lists(st.tuples(LABELS, NUMBERS), min_size=1, max_size=4))
def test_prometheus_reads_what_was_written(
    name: str, help: str, samples: list[tuple[tuple[tuple[str, str], ...], float]]
) -> None:
    family = Family(name, "gauge", help, tuple(Sample(value, labels) for labels, value in samples))
    (read,) = text_string_to_metric_families(render([family]))
    assert read.name == name
    assert read.type == "gauge"
    assert [(sample.labels, sample.value) for sample in read.samples] == [
        (dict(labels), float(value)) for labels, value in samples
    ]


def test_escapes() -> None:
    family = Family("m", "gauge", 'a\\b\n"c"', (Sample(1, (("l", 'x\\y"z\n'),)),))
    assert render([family]) == '# HELP m a\\\\b\\n"c"\n# TYPE m gauge\nm{l="x\\\\y\\"z\\n"} 1\n'


def test_half_a_surrogate_pair_is_no_reason_to_fail() -> None:
    assert render([Family("m", "gauge", "h", (Sample(1, (("l", "a\udcffb"),)),))]).splitlines()[-1] == 'm{l="a?b"} 1'


def test_a_summary_and_common_labels() -> None:
    family = Family("m_seconds", "summary", "h", (Sample(1.5, (), "_sum"), Sample(3, (), "_count")))
    text = render([family], (("run", "nightly"),))
    assert text.splitlines()[2:] == ['m_seconds_sum{run="nightly"} 1.5', 'm_seconds_count{run="nightly"} 3']
    (read,) = text_string_to_metric_families(text)
    assert read.type == "summary"


def test_a_family_without_samples_is_left_out() -> None:
    assert render([Family("m", "counter", "h", ())]) == ""


def test_numbers() -> None:
    assert [number(value) for value in (0, 2**70, True, 0.1, math.inf, -math.inf, math.nan)] == [
        "0", str(2**70), "1", "0.1", "+Inf", "-Inf", "NaN",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["", "1m", "a b", "a-b", "ä"])
def test_names_are_the_programs_own_and_right(name: str) -> None:
    with pytest.raises(ValueError):
        render([Family(name, "gauge", "h", (Sample(1),))])
    with pytest.raises(ValueError):
        render([Family("m", "gauge", "h", (Sample(1, ((name, "v"),)),))])

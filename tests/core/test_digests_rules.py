"""Every place that the shipped rules name can be asked, or is known to have nothing."""

from __future__ import annotations

import importlib.resources

import pytest

from fastdl.core.digests.reading import _FORMATS, _NOTHING, _STREAMS, MOST
from fastdl.core.pack import Pack


def pack() -> Pack:
    return Pack.from_text((importlib.resources.files("fastdl.data") / "rules.json").read_text(encoding="utf-8"))


def test_kinds_and_formats_are_known() -> None:
    formats = {kind for _, kind in _FORMATS} | {"", "json-lines", "perl"}
    assert set(_STREAMS) <= formats
    places = [(rule.id, place) for rule in pack().rules() for place in rule.digests]
    assert len(places) > 50
    for rule, place in places:
        assert place.kind in MOST or place.kind in _NOTHING, (rule, place.id)
        assert place.format in formats, (rule, place.id)


@pytest.mark.parametrize("kind", ["json_api", "side_file", "sums_file", "index", "metalink", "headers", "html_page"])
def test_every_kind_has_a_bound(kind: str) -> None:
    assert 0 <= MOST[kind] <= 64 * 1024 * 1024

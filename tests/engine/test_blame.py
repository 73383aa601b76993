"""Whoever contradicts what is stored is convicted only if the right file proves it."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from fastdl.core.verify import new_hasher
from fastdl.engine.blame import Blame

RIGHT = bytes(range(256)) * 16
WRONG = RIGHT[:100] + b"?" + RIGHT[101:]


class FakeSink:
    """A file in memory with two sources."""

    ids = (0, 1)

    def source_text(self, index: int) -> str:
        return ("https://example.org/f", "https://mirror.example.com/f")[index]

    def print_of(self, start: int, end: int) -> bytes:
        hasher = new_hasher("blake2b-256")
        hasher.update(RIGHT[start:end])
        return hasher.digest()


def blamed(source: int, *sent: bytes) -> tuple[Counter[str], list[str]]:
    told: list[str] = []
    places = [SimpleNamespace(given=SimpleNamespace(netloc=host)) for host in ("example.org", "mirror.example.com")]
    job: Any = SimpleNamespace(places=places, note=lambda level, text: told.append(text), altered=Counter())
    landing: Any = SimpleNamespace(sink=FakeSink())
    blame = Blame(job, landing, None)
    for data in sent:
        blame.contradicted(source, 0, memoryview(data))
    blame.compare()
    return job.altered, told


@pytest.mark.parametrize(("sent", "altered"), [(WRONG, {"https://mirror.example.com/f": len(RIGHT)}), (RIGHT, {})])
def test_the_right_file_decides(sent: bytes, altered: dict[str, int]) -> None:
    """What was thrown away may have been right, and what was stored a lie that was mended later."""
    assert blamed(1, sent)[0] == altered


def test_it_is_told_once_for_each_source() -> None:
    assert len(blamed(1, WRONG, WRONG, WRONG)[1]) == 1

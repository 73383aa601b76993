"""Shortage of memory or processors, as psutil tells it."""

from __future__ import annotations

from types import SimpleNamespace

import psutil
import pytest

from fastdl.io.strain import LEAST_MEMORY, Strain, strain


@pytest.mark.parametrize(
    ("available", "percent", "expected"),
    [
        (LEAST_MEMORY, 95.0, Strain(False, False)),
        (LEAST_MEMORY - 1, 0.0, Strain(True, False)),
        (1 << 40, 95.1, Strain(False, True)),
    ],
)
def test_strain(monkeypatch: pytest.MonkeyPatch, available: int, percent: float, expected: Strain) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=available))
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval: percent)
    assert strain() == expected


def test_this_machine() -> None:
    assert isinstance(strain().memory, bool)

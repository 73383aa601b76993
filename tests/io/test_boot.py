"""The boot's identity stays for a boot, and where it cannot be had it is never the same twice."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator

import psutil
import pytest

from disks import run_python
from fastdl.io import boot


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    boot.boot_identity.cache_clear()
    yield
    boot.boot_identity.cache_clear()


def test_two_processes_agree() -> None:
    """Otherwise every kill would cost what was not flushed."""
    code = "from fastdl.io.boot import boot_identity; print(boot_identity())"
    done = run_python(code)
    assert done.stdout.strip() == boot.boot_identity() and done.stderr == ""
    assert not done.stdout.startswith("unknown")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_system_that_does_not_tell_is_never_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(builtins, "open", refuse)
    first = boot.boot_identity()
    assert boot.boot_identity() == first, "one process is in one boot"
    boot.boot_identity.cache_clear()
    assert boot.boot_identity() != first and first.startswith("unknown-")


def test_the_time_of_the_start_may_waver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "boot_time", lambda: 1_700_000_040.2)
    one = boot._boot_minute()
    monkeypatch.setattr(psutil, "boot_time", lambda: 1_700_000_042.9)
    assert boot._boot_minute() == one
    monkeypatch.setattr(psutil, "boot_time", lambda: 1_700_000_040.2 + 61)
    assert boot._boot_minute() != one

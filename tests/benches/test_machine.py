"""Which disk is which: the table must not call a memory disk a disk."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benches import machine

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the benches need a POSIX system")


@pytest.fixture
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    table = tmp_path / "mounts"
    monkeypatch.setattr(machine, "_MOUNTS", table)
    return table


def test_the_nearest_mount_decides(mounts: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    (inner / "deep").mkdir(parents=True)
    mounts.write_text(f"disk / ext4 rw 0 0\nnone {inner} tmpfs rw 0 0\n")
    assert machine.filesystem(tmp_path) == "ext4"
    assert machine.filesystem(inner / "deep") == "tmpfs"


def test_of_two_mounts_on_one_point_the_later_counts(mounts: Path, tmp_path: Path) -> None:
    mounts.write_text("rootfs / rootfs rw 0 0\ndisk / xfs rw 0 0\n")
    assert machine.filesystem(tmp_path) == "xfs"


def test_without_a_table_of_mounts_the_kind_is_unknown(mounts: Path, tmp_path: Path) -> None:
    assert not mounts.exists()
    assert machine.filesystem(tmp_path) == "unknown"


def test_a_result_says_which_machine_but_not_whose() -> None:
    facts = machine.describe()
    assert {"system", "processor", "cpus", "memory", "python"} <= set(facts)
    import platform

    assert platform.node() not in json.dumps(facts).split('"')

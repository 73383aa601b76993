"""Small files on their way to their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastdl.errors import DiskError, TargetExists
from fastdl.io.settling import SmallFile, settle

BODY = memoryview(b"a small file")


@pytest.fixture
def final(tmp_path: Path) -> str:
    return str(tmp_path / "file")


def small(final: str, **more: bool) -> SmallFile:
    return SmallFile(final, durable=more.get("durable", True), replace=more.get("replace", False))


def stored(final: str, **more: bool) -> SmallFile:
    file = small(final, **more)
    assert file.store(BODY, None)
    return file


def settled(file: SmallFile) -> DiskError | TargetExists | None:
    """What came of this one."""
    told: list[DiskError | TargetExists | None] = []
    settle([(file, told.append)])
    assert len(told) == 1
    return told[0]

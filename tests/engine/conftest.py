"""The sourcing of one download."""

from __future__ import annotations

import pytest

from sourcing_rig import Rig


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(monkeypatch)

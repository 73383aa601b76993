"""Every misbehaviour of the table, end to end: exit 0 means exactly that the right file is there."""

from __future__ import annotations

import json

import pytest

from servers.misbehave import Case, table
from servers.peers import RECORD
from servers.raw import RawServer
from servers.run import PARTS, Runner

_LIMIT = 45.0  # seconds for one case; what bounds a case are its options


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in table()])
def test_verdict(case: Case, fastdl: Runner) -> None:
    app = case.make()
    with RawServer(case.handler(app), listeners=case.listeners) as server:
        result = fastdl.get(*case.command(server, app), timeout=_LIMIT, expected=[case.saved])
        met = app.met
    final = fastdl.cwd / case.saved
    if result.code == 0:
        assert result.files == {case.saved}, "only the file itself"
        assert final.read_bytes() in (app.bytes(), *app.versions), "exit 0, but the file is wrong"
    else:
        assert not final.exists(), f"exit {result.code}, but the final name is there"
        assert result.error
    assert result.code in case.codes, f"{case.says} {case.why} {result.err}"
    assert met or case.unmet, "the misbehaviour was never shown: the case proves nothing"
    if case.checksum and result.code == 5:
        assert not [name for name in result.files if name.endswith(PARTS)], "nothing of it can be trusted"


def test_the_table_is_large_and_recorded() -> None:
    cases = table()
    names = [case.name for case in cases]
    assert len(names) == len(set(names)) >= 60
    assert all(case.says and case.why for case in cases)
    record = json.loads(RECORD.read_text("utf-8"))
    assert set(record) == set(names), "run `python -m servers.peers` in tests/"

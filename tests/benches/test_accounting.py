"""The account of processor time: the wrapped parts exist, nothing is counted twice, and a real run has them all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benches import accounting
from benches.accounting import Account
from benches.metered import Metered
from benches.peers import SOURCE


def burn(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_what_is_called_within_a_part_counts_once() -> None:
    account = Account()
    inner = account.wrapped("tracker", lambda: burn(0.005))
    outer = account.wrapped("progress", lambda: (inner(), burn(0.005)))
    outer()
    sums = account.sums()
    assert sums["tracker"] == (0.0, 0)
    assert sums["progress"][0] >= 0.01
    assert sums["progress"][1] == 1
    inner()
    assert account.sums()["tracker"][1] == 1


def test_an_error_passes_and_its_time_counts() -> None:
    account = Account()

    def wrong() -> None:
        burn(0.002)
        raise KeyError("x")

    timed = account.wrapped("journal", wrong)
    for _ in range(2):
        with pytest.raises(KeyError):
            timed()
    seconds, calls = account.sums()["journal"]
    assert (seconds >= 0.004, calls) == (True, 2)


def test_the_cost_of_the_clock_is_taken_off_and_never_more_than_there_is() -> None:
    account = Account()
    for part, seconds, calls in (("journal", 0.3, 100), ("tracker", 0.1, 1000)):
        account.wrapped(part, lambda: None)()
        account._book()[part][:] = [seconds, float(calls)]
    told = accounting.figures(account, 2.0, 0.001)
    assert told["parts"] == {"journal": pytest.approx(0.2), "progress": 0.0, "tracker": 0.0}
    assert told["share"] == pytest.approx(0.1)


def test_a_real_download_is_accounted_for(tmp_path: Path) -> None:
    result = tmp_path / "account.json"
    path = os.pathsep.join([str(SOURCE), str(SOURCE.parent)])
    env = {**os.environ, "PYTHONPATH": path, "HOME": str(tmp_path), "FASTDL_STATE_DIR": str(tmp_path / "state")}
    with Metered(3_000_000) as server:
        options = ["get", "--progress", "json", "-d", str(tmp_path / "out"), server.url("file.bin")]
        command = [sys.executable, "-m", "benches.accounting", str(result), *options]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "file.bin").stat().st_size == 3_000_000
    told = json.loads(result.read_text())
    assert set(told["parts"]) == set(accounting.PARTS)
    assert all(told["calls"][part] > 0 for part in accounting.PARTS)
    assert 0 < told["share"] < 1

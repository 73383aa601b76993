"""A process that downloads a thousand files holds no more than after the first few: neither memory, nor descriptors,
nor threads."""

from __future__ import annotations

import json
import os
import sys
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from disks import run_python
from servers.files import FileApp
from servers.raw import Serve

LARGE = 5 * 1024 * 1024  # over several connections, by pipes where there are some
ROUND = 100  # downloads
BOUND = 50 * ROUND  # bytes a round: what leaks, leaks with each download; what is only made once comes in one round
DOWNLOADS = """
    import gc, json, os, sys, threading, tracemalloc

    folder, small, large, rounds, each = *sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5])
    os.environ.update(HOME=folder, FASTDL_STATE_DIR=folder + "/state", FASTDL_CONFIG=os.devnull)
    from fastdl import batch
    from fastdl.settings import Settings

    def descriptors():
        return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0

    def done(settings, urls):
        results = batch.run(settings, urls, lambda event: None)
        bad = [result.error for result in results if result.error is not None]
        assert not bad, bad[:3]

    settings = Settings(dir=folder + "/files", overwrite=True, durable=False, use_proxy=False)
    tracemalloc.start()
    held = []
    for number in range(rounds):
        done(settings, [f"{small}/{n}" for n in range(each - 2)])
        done(settings, [f"{large}/one.bin"])
        done(settings, [f"{small}/alone"])
        gc.collect()
        held.append((tracemalloc.get_traced_memory()[0], descriptors(), threading.active_count()))
    print(json.dumps(held))
"""


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="tracemalloc is CPython's")
def test_a_thousand_downloads_leave_nothing(serve: Serve, tmp_path: Path) -> None:
    small, large = serve(FileApp(size=4096)), serve(FileApp(size=LARGE))
    os.mkdir(tmp_path / "files")
    done = run_python(DOWNLOADS, str(tmp_path), small.url(""), large.url(""), "10", str(ROUND))
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    held = json.loads(done.stdout)
    memory, descriptors, threads = zip(*held[3:], strict=True)
    assert median(after - before for before, after in pairwise(memory)) < BOUND, memory
    assert max(descriptors) == min(descriptors), descriptors
    assert max(threads) == min(threads) == 1, threads

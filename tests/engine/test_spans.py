"""The timeline of a file, put together from its threads: numbers, order, bounds."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from fastdl.engine import profile as profile_module
from fastdl.engine.profile import Profile
from fastdl.engine.spans import timeline
from fastdl.io.phases import Recorder
from fastdl.io.timeline import MOST_SPANS, SLICE


def recorder(workers: int = 1) -> Recorder:
    """One whose threads have not run; their timelines are filled by hand, from its beginning."""
    made = Recorder()
    for number in range(workers):
        made.worker(threading.Thread(), number)
    return made


def test_who_did_what_for_whom() -> None:
    made = recorder()
    began = made.steps.began
    made.steps.timeline.add(-1, "look", began, began + 1_000_000)
    made.steps.timeline.add(-1, "first_byte", began + 1_000_000, began + 3_000_000)
    made.workers[0][1].timeline.add(1, "receive", began + 2_000_000, began + 2_500_999)
    made.workers[0][1].timeline.came(9)
    assert timeline(made) == {
        "spans": [
            {"worker": None, "source": None, "phase": "look", "start": 0.0, "end": 0.001, "bytes": 0},
            {"worker": None, "source": 0, "phase": "first_byte", "start": 0.001, "end": 0.003, "bytes": 0},
            {"worker": 0, "source": 1, "phase": "receive", "start": 0.002, "end": 0.0025, "bytes": 9},
        ],
        "left_out": 0,
    }


def test_nothing_was_done() -> None:
    assert timeline(Recorder()) == {"spans": [], "left_out": 0}


def filled(*, slices: bool) -> tuple[Recorder, int]:
    """Sixteen workers, each with almost as many spans as one may have; and the bytes of all."""
    made = recorder(16)
    for _, stopwatch in made.workers:
        for number in range(MOST_SPANS):
            at = made.steps.began + number * SLICE
            stopwatch.timeline.add(0 if slices else number % 2, "receive", at, at + SLICE)
            stopwatch.timeline.came(1)
    return made, 16 * MOST_SPANS


def test_slices_grow_before_anything_is_left_out() -> None:
    made, came = filled(slices=True)
    told = timeline(made)
    assert len(told["spans"]) <= MOST_SPANS
    assert (told["left_out"], sum(span["bytes"] for span in told["spans"])) == (0, came)
    assert {span["worker"] for span in told["spans"]} == set(range(16))


def test_very_many_requests_are_counted() -> None:
    made, came = filled(slices=False)
    told = timeline(made)
    assert len(told["spans"]) == MOST_SPANS
    assert told["left_out"] == came - MOST_SPANS


def test_all_files_of_a_run_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_module, "MOST_SPANS", 25)
    profile = Profile()
    for number in range(5):
        told: dict[str, Any] = {"seconds": float(number), "timeline": {"spans": [{}] * 10, "left_out": 1}}
        profile._keep(told)
    lengths = [(len(file["timeline"]["spans"]), file["timeline"]["left_out"]) for file in profile._files]
    assert lengths == [(10, 1), (10, 1), (0, 11), (0, 11), (0, 11)]

"""A server that gives each connection 2 MiB a second, over a link that carries 16 of them: 400 Mbit, 80 ms. Both
programs are allowed 16 connections to the host."""

from __future__ import annotations

from benches.row import Goal, Row, Term
from benches.text import MIB
from benches.wan.course import NEEDS, against_aria2
from benches.wan.link import Link

ROW = Row(
    name="wan_capped",
    title="400 Mbit, 2 MiB/s a connection, 80 ms, 100 MiB",
    goals=(Goal("wall / aria2c -x16", Term("fastdl"), (Term("aria2c -x16"),), 0.85),),
    prepare=against_aria2(
        [Link(400)],
        16,
        size=100 * MIB,
        quick_size=40 * MIB,
        limit=2 * MIB,
        options=("-x", "16", "--per-host", "16"),
    ),
    needs=NEEDS,
    warm=0,
    quick_runs=1,
)

"""One packet in a hundred is lost by chance, 80 ms: each connection is slow, and some are much slower for a while."""

from __future__ import annotations

from benches.row import Goal, Row, Term
from benches.text import MIB
from benches.wan.course import NEEDS, against_aria2
from benches.wan.link import Link

ROW = Row(
    name="wan_lossy",
    title="100 Mbit, 1 % loss, 80 ms, 24 MiB",
    goals=(Goal("wall / aria2c -x8", Term("fastdl"), (Term("aria2c -x8"),), 0.8),),
    prepare=against_aria2([Link(100, loss=0.01)], 8, size=24 * MIB, quick_size=6 * MIB),
    needs=NEEDS,
    warm=0,
    quick_runs=1,
)

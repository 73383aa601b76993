"""A long link: 100 Mbit a second, 80 ms round trip. Slow start and the end of the file decide."""

from __future__ import annotations

from benches.row import Goal, Row, Term
from benches.text import MIB
from benches.wan.course import NEEDS, against_aria2
from benches.wan.link import Link

ROW = Row(
    name="wan_long",
    title="100 Mbit, 80 ms, 100 MiB",
    goals=(
        Goal("wall / aria2c -x8", Term("fastdl"), (Term("aria2c -x8"),), 1.0),
        Goal("of what the link carries", Term("fastdl", "share"), at_least=True, unit="%"),
    ),
    prepare=against_aria2([Link(100)], 8, size=100 * MIB, quick_size=16 * MIB),
    needs=NEEDS,
    warm=0,
    quick_runs=1,
)

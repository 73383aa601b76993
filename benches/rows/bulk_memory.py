"""1 GiB over plain HTTP to a memory disk: what a byte costs when nothing but the processor is in the way."""

from __future__ import annotations

from benches.downloads import OWN, one_file
from benches.row import Goal, Row, Term

ROW = Row(
    name="bulk_memory",
    title="1 GiB, plain, memory disk",
    goals=(
        Goal("wall / curl", Term(OWN), (Term("curl"),), 0.85),
        Goal("wall / aria2c -x8", Term(OWN), (Term("aria2c -x8"),)),
        Goal("wall / wget2", Term(OWN), (Term("wget2"),)),
    ),
    prepare=one_file((OWN, "curl", "aria2c -x8", "wget2")),
    needs=("nginx",),
)

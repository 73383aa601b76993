"""1 GiB over TLS to a memory disk: time, and the processor time that it took."""

from __future__ import annotations

from benches.downloads import OWN, one_file
from benches.row import Goal, Row, Term

ROW = Row(
    name="bulk_tls",
    title="1 GiB, TLS, memory disk",
    goals=(
        Goal("wall / curl", Term(OWN), (Term("curl"),), 1.0),
        Goal("CPU / curl", Term(OWN, "cpu"), (Term("curl", "cpu"),), 1.1),
        Goal("wall / aria2c -x8", Term(OWN), (Term("aria2c -x8"),)),
    ),
    prepare=one_file((OWN, "curl", "aria2c -x8"), tls=True),
    needs=("nginx",),
)

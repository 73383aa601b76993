"""1 GiB over plain HTTP to a real disk. fastdl brings the bytes to the device before it reports success and the others
leave that to the system, so like is compared with like: until the bytes are on the device, and until the program ends
where fastdl does as they do."""

from __future__ import annotations

from benches.downloads import NOT_DURABLE, OWN, one_file
from benches.row import Goal, Row, Term

_ARIA2, _CURL = "aria2c -x8", "curl"

ROW = Row(
    name="bulk_disk",
    title="1 GiB, plain, real disk",
    goals=(
        Goal("on the device / aria2c -x8", Term(OWN, "settled"), (Term(_ARIA2, "settled"),), 0.35),
        Goal("on the device / curl", Term(OWN, "settled"), (Term(_CURL, "settled"),), 0.8),
        Goal("--no-durable / aria2c -x8", Term(NOT_DURABLE), (Term(_ARIA2),), 0.35),
        Goal("--no-durable / curl", Term(NOT_DURABLE), (Term(_CURL),), 0.8),
    ),
    prepare=one_file((OWN, NOT_DURABLE, _CURL, _ARIA2), on_disk=True),
    needs=("nginx",),
)

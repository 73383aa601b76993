"""1 GiB from a server that offers HTTP/2, which curl takes and fastdl need not."""

from __future__ import annotations

from benches.downloads import OWN, one_file
from benches.row import Goal, Row, Term

ROW = Row(
    name="bulk_http2",
    title="1 GiB, server that offers HTTP/2",
    goals=(Goal("wall / curl", Term(OWN), (Term("curl"),), 1.1),),
    prepare=one_file((OWN, "curl"), http2=True),
    needs=("nginx",),
)

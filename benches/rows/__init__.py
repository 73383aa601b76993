"""One module a row of the table of goals; each that has a `ROW` is found by its name. See benches/row.py."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable

from benches.row import Row

_FIRST = (
    *("bulk_disk", "bulk_memory", "bulk_tls", "bulk_http2", "checked"),
    *("wan_long", "wan_capped", "wan_lossy", "wan_mirrors", "fault_connection", "fault_mirror"),
    *("many_small", "one_small", "version", "memory", "rate", "rate_auto", "overhead", "mirrors", "liar"),
)


def names() -> list[str]:
    """All rows: those of the table in its order, then others by name."""
    found = {module.name for module in pkgutil.iter_modules(__path__)}
    return [name for name in _FIRST if name in found] + sorted(found.difference(_FIRST))


def load(chosen: Iterable[str] | None = None) -> list[Row]:
    """The rows of these names; without names all that are of the table. Raises LookupError for a name that is none."""
    known = names()
    if chosen is not None:
        for name in (chosen := list(chosen)):
            if name not in known:
                raise LookupError(f"no row is called {name!r}; there are {', '.join(known)}")
    rows = [importlib.import_module(f"{__name__}.{name}").ROW for name in (known if chosen is None else chosen)]
    return [row for row in rows if chosen is not None or not row.profile]

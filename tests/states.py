"""What earlier runs have left in the state folder."""

from __future__ import annotations

from fastdl.io.store import Entry, Store


def ended(store: Store, *entries: Entry) -> None:
    """As downloads that have ended note it, and written at once."""
    for entry in entries:
        store.note([], entry)
        store.flush()

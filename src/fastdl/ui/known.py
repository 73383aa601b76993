"""What is remembered of a server, in words."""

from __future__ import annotations

from collections.abc import Mapping

from fastdl.core.hints import Any
from fastdl.core.quantity import format_rate


def in_words(known: Mapping[str, Any]) -> str:
    """What earlier downloads taught about a host (an object of engine/explaining/memory.py), as half a sentence; ""
    where that is nothing."""
    parts = []
    if known.get("bytes_per_second"):
        parts.append(f"{format_rate(known['bytes_per_second'])} a connection")
    if known.get("latency") is not None:
        milliseconds = 1000 * known["latency"]
        parts.append(f"answers in {milliseconds:.0f} ms" if milliseconds >= 1 else "answers at once")
    if known.get("busy"):
        parts.append("asked for fewer connections")
    if known.get("ranges") is False:
        parts.append("serves no ranges")
    if known.get("errors"):
        parts.append("had errors")
    if parts and known.get("seen"):
        parts.append(f"seen {known['seen']}")
    return ", ".join(parts)

"""Following a rule's path into a JSON document.

A path is a sequence of steps: a text is a key, a number an index, "*" every member, "**" anything at any depth, a tuple
of texts any of these keys, and an object with `field`, `value` and `ends` those members whose field has that value or
ends with it (core/rules.py). Names of files are compared, never interpreted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fastdl.core.digests.base import DigestNotFound
from fastdl.core.hints import Any

MOST_NODES = 500_000  # visited in one document

Match = tuple[Any, Any]  # a value and the object or array that holds it


def select(document: object, path: Sequence[object]) -> list[Match]:
    """What `path` finds, each with its parent. Raises DigestNotFound for a document too large."""
    matches: list[Match] = [(document, None)]
    budget = MOST_NODES
    for step in path:
        chosen: list[Match] = []
        for match in _apply(step, matches):
            budget -= 1
            if budget < 0:
                raise DigestNotFound("the answer is too large")
            if match is not None:
                chosen.append(match)
        matches = chosen
    return matches


def texts(document: object, path: Sequence[object]) -> list[str]:
    """The texts among what `path` finds."""
    return [value for value, _ in select(document, path) if isinstance(value, str)]


def _apply(step: object, matches: list[Match]) -> Iterator[Match | None]:
    """The values that a step leads to; None for each that was looked at in vain."""
    if step == "**":
        yield from _descend(matches)
        return
    for value, _ in matches:
        yield None
        if step == "*":
            yield from ((child, value) for child in _children(value))
        elif isinstance(step, bool):
            continue
        elif isinstance(step, int):
            if isinstance(value, list) and -len(value) <= step < len(value):
                yield value[step], value
        elif isinstance(step, str):
            if isinstance(value, dict) and step in value:
                yield value[step], value
        elif hasattr(step, "field"):
            for child in _children(value):
                yield (child, value) if _fits(child, step) else None
        elif isinstance(step, (tuple, list)) and isinstance(value, dict):
            yield from ((value[key], value) for key in step if isinstance(key, str) and key in value)


def _children(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _fits(value: object, where: Any) -> bool:
    text = value.get(where.field) if isinstance(value, dict) else None
    if not isinstance(text, str):
        return False
    return text.endswith(where.value) if where.ends else text == where.value


def _descend(matches: list[Match]) -> Iterator[Match]:
    """Each value with everything below it, in a loop: a deep document must need no deep stack."""
    waiting: list[Match] = list(reversed(matches))
    while waiting:
        value, parent = waiting.pop()
        yield value, parent
        waiting.extend((child, value) for child in _children(value) if isinstance(child, (dict, list)))

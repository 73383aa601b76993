"""Markup that cannot be broken out of: what is put together here is escaped, what comes from outside is cleaned too.

Hosts, paths, URLs and errors were chosen by strangers. A child or an attribute that is not markup already is text:
without control and bidi characters, secrets masked, escaped. So no other module of the page has to think of it.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from fastdl.ui.text import safe

__all__ = ["Child", "Markup", "el", "joined", "table"]

_VOID = frozenset({"meta", "link", "line", "rect", "circle", "path", "br"})
_EMPTY_IN_SVG = frozenset({"line", "rect", "circle", "path"})


class Markup(str):
    """Text that is HTML already; only this module makes it from other text."""

    __slots__ = ()


Child = str | int | float | None


def el(name: str, *children: Child, **attributes: Child | bool) -> Markup:
    """An element. A trailing `_` of an attribute's name is dropped, other ones become `-`; one that is None or False is
    left out, True stands without a value."""
    opened = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}"
    if name in _VOID:
        return Markup(opened + ("/>" if name in _EMPTY_IN_SVG else ">"))
    return Markup(f"{opened}>{joined(children)}</{name}>")


def joined(children: Iterable[Child]) -> Markup:
    """Children behind one another."""
    return Markup("".join(_escaped(child) for child in children if child is not None))


def _escaped(child: Child) -> str:
    return child if isinstance(child, Markup) else html.escape(safe(str(child)))


def _attribute(key: str, value: Child | bool) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-") if key != "viewBox" and key != "preserveAspectRatio" else key
    return f" {name}" if value is True else f' {name}="{_escaped(value)}"'


def table(
    identity: str, caption: str, heads: Sequence[str], rows: Iterable[Sequence[Child]], words: Sequence[int] = (0,)
) -> Markup:
    """A data table with caption and scopes, in a frame of its own that scrolls where it is too wide. The first column
    names the row; the columns of `words` are text, the others numbers."""
    kinds = [None if place in words else "n" for place in range(len(heads))]
    head = [el("th", text, scope="col", class_=kind) for text, kind in zip(heads, kinds, strict=True)]
    body = [
        el(
            "tr",
            el("th", row[0], scope="row"),
            *(el("td", cell, class_=kind) for cell, kind in zip(row[1:], kinds[1:], strict=True)),
        )
        for row in rows
    ]
    whole = el("table", el("caption", caption, id=f"{identity}-c"), el("thead", el("tr", *head)), el("tbody", *body))
    return el("div", whole, class_="scroll", role="group", tabindex="0", aria_labelledby=f"{identity}-c")

"""The frame of the page: head, landmarks, contents.

It asks nobody for anything and runs nothing: a policy in its head forbids both, and names the one style by its digest.
It is ASCII throughout, so no encoding can spoil it.
"""

from __future__ import annotations

import time
from base64 import b64encode

from fastdl import __version__
from fastdl.ui.dashboard import sections
from fastdl.ui.dashboard.charts import Names
from fastdl.ui.dashboard.downloads import downloads
from fastdl.ui.dashboard.facts import Facts
from fastdl.ui.dashboard.html import Markup, el
from fastdl.ui.dashboard.style import CSS
from fastdl.ui.dashboard.times import moment, zone

__all__ = ["Facts", "page"]

_PARTS = (
    ("throughput", "Throughput"),
    ("servers", "Servers"),
    ("limits", "Connection limits"),
    ("lies", "Altered bytes"),
    ("sources", "Sources"),
    ("caches", "Caches"),
    ("downloads", "Last downloads"),
)


def page(facts: Facts) -> str:
    """The whole document."""
    now = time.time()
    shown = [part for part in _PARTS if part[0] != "lies" or facts.lies]
    body = [
        el("a", "Skip to the content", href="#content", class_="skip"),
        el("header", el("h1", "fastdl: what was learned and done"), _made(now), _contents(shown, empty=facts.empty)),
        el("main", *(_nothing() if facts.empty else _content(facts)), id="content", tabindex="-1"),
        el("footer", el("p", f"Made by fastdl {__version__} from its state folder on this machine. Secrets are masked. "
                             "Nothing was sent anywhere, and this page asks nobody for anything.")),
    ]  # fmt: skip
    whole = f"<!DOCTYPE html>\n{el('html', _head(), el('body', *body), lang='en')}"
    return whole.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _head() -> Markup:
    return el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_policy()),
        el("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name_="referrer", content="no-referrer"),
        el("meta", name_="color-scheme", content="light dark"),
        el("title", "fastdl: what was learned and done"),
        el("style", Markup(CSS)),
    )


def _policy() -> str:
    """Nothing may be loaded or run; the style is known by its digest."""
    import hashlib

    digest = b64encode(hashlib.sha256(CSS.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _made(now: float) -> Markup:
    return el("p", "As of ", moment(now), f". Times are local ({zone(now)}).", class_="muted")


def _contents(parts: list[tuple[str, str]], *, empty: bool) -> Markup:
    if empty:
        return Markup("")
    links = [el("li", el("a", title, href=f"#{name}")) for name, title in parts]
    return el("nav", el("ul", *links), aria_label="Contents")


def _nothing() -> list[Markup]:
    return [
        el("h2", "Nothing is learned yet"),
        el("p", "Each download adds what it saw of its servers, and itself to the history."),
        el("p", "Make this page again after ", el("code", "fastdl get --profile times.json URL"),
           ": then it shows what came from where and when."),
    ]  # fmt: skip


def _content(facts: Facts) -> list[Markup]:
    names = Names()
    return [
        el("h2", "At a glance"),
        sections.tiles(facts),
        sections.throughput(names, facts),
        sections.servers(names, facts),
        sections.limits(names, facts),
        sections.lies(names, facts),
        sections.sources(names, facts),
        sections.caches(names, facts),
        downloads(names, facts),
    ]

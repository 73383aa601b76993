"""Whether a program prints what a document shows, but for what differs from run to run: figures, times, places."""

from __future__ import annotations

import re

_ANY = ("...", "…", "[...]", "[…]")
_RULES = (
    (re.compile(r"\b(?=\d*[a-f])(?:[0-9a-f]{8,}\b(?:…|\.\.\.)?|[0-9a-f]{4,}(?:…|\.\.\.))"), "HEX"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?"), "WHEN"),
    (re.compile(r"(?<![\w.])(?<!\bexit )(?<!\bHTTP )\d[\d,]*(\.\d+)?(?![\w])"), "0"),
    (re.compile(r"\b0 ?(?:B|bytes?|[KMGT]iB)\b"), "0 B"),
    (re.compile(r"\b0 (?:ms|s|min|h)\b"), "0 s"),
    (re.compile(r"\b(connection|source|server|file|line)s?\b"), r"\1"),
    (re.compile(r" over 0 connection\b"), ""),
    (re.compile(r"[─━-]{4,}"), "----"),
    (re.compile(r"\s+"), " "),
)


def plain(line: str) -> str:
    """A line without what differs."""
    for pattern, instead in _RULES:
        line = pattern.sub(instead, line)
    return line.strip()


def _as_pattern(line: str) -> re.Pattern[str]:
    parts = re.split(r"\.\.\.|…", plain(line))
    return re.compile(".*".join(re.escape(part) for part in parts))


def differs(shown: str, printed: str) -> str | None:
    """The first line of `shown` that `printed` does not have in its place; None if they agree. `...` or `…` stands for
    anything in a line, and alone in a line for any lines."""
    wanted = [line for line in shown.splitlines() if line.strip()]
    lines = [plain(line) for line in printed.splitlines() if line.strip()]
    at, skipping = 0, False
    for line in wanted:
        if line.strip() in _ANY:
            skipping = True
            continue
        pattern = _as_pattern(line)
        found = [index for index in range(at, len(lines)) if pattern.fullmatch(lines[index])]
        if not found or (found[0] != at and not skipping):
            return line
        at, skipping = found[0] + 1, False
    return None if at == len(lines) or skipping else f"(nothing), where it prints {lines[at]!r}"

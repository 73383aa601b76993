"""The report of `fastdl doctor` for people: a line for each finding, below it what to do, wrapped where need be."""

from __future__ import annotations

from collections.abc import Sequence

from fastdl.core.hints import TYPE_CHECKING
from fastdl.ui.text import columns, pad, safe

if TYPE_CHECKING:
    from fastdl.engine.doctor.finding import Finding

NAMES = {
    "config": "Config",
    "program": "Program",
    "terminal": "Terminal",
    "disk": "Disk",
    "state": "State",
    "trust": "Trust",
    "proxy": "Proxy",
    "dns": "DNS",
    "ipv4": "IPv4",
    "ipv6": "IPv6",
    "tls": "TLS",
    "http": "HTTP",
    "clock": "Clock",
}
WORDS = {"ok": "ok: ", "info": "", "wrong": "WRONG: "}
LABEL = 10  # columns


def report(findings: Sequence[Finding], width: int | None) -> list[str]:
    """The lines, wrapped to `width` columns; None: one line for each text."""
    lines = []
    for finding in findings:
        text = WORDS[finding.status] + safe(finding.text)
        lines += _wrapped(pad(NAMES[finding.check], LABEL), text, LABEL, width)
        if finding.advice:
            lines += _wrapped(" " * LABEL + "-> ", safe(finding.advice), LABEL + 3, width)
    return [*lines, "", summary(findings)]


def summary(findings: Sequence[Finding]) -> str:
    """The last line."""
    wrong = [finding for finding in findings if finding.status == "wrong"]
    names = ", ".join(dict.fromkeys(NAMES[finding.check] for finding in wrong))
    if not wrong:
        return "Nothing is wrong."
    return f"{len(wrong)} thing{' is' if len(wrong) == 1 else 's are'} wrong: {names}."


def _wrapped(head: str, text: str, indent: int, width: int | None) -> list[str]:
    """The text behind `head`; its further lines begin at `indent`."""
    if width is None or columns(head + text) <= width:
        return [head + text]
    room = max(width - indent, 16)
    lines, line = [], ""
    for word in text.split(" "):
        if line and columns(line) + 1 + columns(word) > room:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
        while columns(line) > room:  # a path or a URL
            lines.append(_cut(line, room))
            line = line[len(lines[-1]) :]
    lines.append(line)
    return [head + lines[0], *(" " * indent + more for more in lines[1:] if more)]


def _cut(text: str, room: int) -> str:
    """As much of the text as fits."""
    end = room
    while columns(text[:end]) > room:
        end -= 1
    return text[: max(end, 1)]

"""What stands in the documents that a machine could run or read: fenced blocks, code in a line, links, headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# An sdist has neither .ci nor .github; whoever packages fastdl runs the tests all the same.
needs_clone = pytest.mark.skipif(not (ROOT / ".github").exists(), reason="not a clone")
TOPS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "packaging/README.md")
_FENCE = re.compile(
    r"(?m)^(?P<indent> *)(?P<fence>```+|~~~+)(?P<info>[^\n`]*)\n(?P<text>.*?)^ *(?P=fence)[ \t]*$", re.S
)
_HEADING = re.compile(r"(?m)^(#{1,6}) (.+?)(?: #+)?$")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: `language` is the word after the fence ("" where there is none), `line` that of its first line,
    `heading` the one above it. `after` is the block that it follows with nothing but blank lines in between."""

    document: str
    line: int
    heading: str
    language: str
    text: str
    after: Block | None = None

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f"{self.document}, line {self.line}"

    @property
    def id(self) -> str:
        """A name for a test; it does not change when lines above it do."""
        words = re.sub(r"\W+", "-", self.text.strip()[:48]).strip("-")
        return f"{self.document}-{self.language or 'plain'}-{words}"


def documents() -> list[str]:
    """All documents of the repository, as paths from its top."""
    pages = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))
    return [name for name in TOPS if (ROOT / name).exists()] + pages


@lru_cache(maxsize=64)
def text_of(document: str) -> str:
    """The text of one document."""
    return (ROOT / document).read_text(encoding="utf-8")


def without_blocks(text: str) -> str:
    """The text with its fenced blocks emptied; lines keep their numbers."""
    return _FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)


def headings(text: str) -> list[str]:
    """The headings of a document, in order."""
    return [match[2] for match in _HEADING.finditer(without_blocks(text))]


def blocks(document: str) -> Iterator[Block]:
    """The fenced blocks of one document."""
    text = text_of(document)
    before, end = None, 0
    for match in _FENCE.finditer(text):
        above = headings(text[: match.start()])
        indent = match["indent"]
        body = re.sub(rf"(?m)^{indent}", "", match["text"]) if indent else match["text"]
        follows = before if before is not None and not text[end : match.start()].strip() else None
        line = text.count("\n", 0, match.start("text")) + 1
        before = Block(document, line, above[-1] if above else "", match["info"].strip(), body, follows)
        end = match.end()
        yield before


def all_blocks() -> list[Block]:
    """The fenced blocks of all documents."""
    return [block for document in documents() for block in blocks(document)]


def inline_code(document: str) -> Iterator[str]:
    """Code within the lines of a document, blocks left out; line ends in it are blanks."""
    for match in re.finditer(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", without_blocks(text_of(document)), re.S):
        yield re.sub(r"\s+", " ", match[2]).strip().replace("\\|", "|")


def commands(text: str) -> list[str]:
    """The commands of a shell block, one for each line that is no comment; a line that ends in `\\` goes on."""
    joined = re.sub(r"\\\n\s*", " ", text)
    return [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def transcript(text: str) -> list[tuple[str, str]]:
    """(command, what it prints) of a transcript, where commands stand behind `$ `."""
    parts = re.split(r"(?m)^\$ ", re.sub(r"\\\n\s*", " ", text))
    pairs = [part.partition("\n") for part in parts[1:]]
    return [(command, printed) for command, _, printed in pairs]


def is_transcript(block: Block) -> bool:
    """Whether it shows commands and what they print."""
    return block.language in ("console", "") and re.search(r"(?m)^\$ ", block.text) is not None

"""The blocks of the recipes: a test runs what the page shows, not a copy of it."""

from __future__ import annotations

from collections.abc import Callable

from pages.blocks import Block, blocks

Provide = Callable[..., str]


def block(document: str, language: str, holds: str = "") -> Block:
    """The one block of a document in a language that holds a text."""
    found = [each for each in blocks(f"docs/{document}.md") if each.language == language and holds in each.text]
    assert len(found) == 1, f"{len(found)} blocks of {language} with {holds!r} in docs/{document}.md"
    return found[0]

"""The recipes for Scoop and winget: PowerShell that can be read, and the names that Scoop would look for."""

from __future__ import annotations

import pytest

from pages.blocks import Block, blocks
from recipes.recipe import block
from servers.real import package

PAGE = "recipes-windows"
SCRIPTS = [each for each in blocks(f"docs/{PAGE}.md") if each.language == "powershell"]


@pytest.mark.parametrize("script", SCRIPTS, ids=[each.id for each in SCRIPTS])
def test_powershell_can_read_it(script: Block) -> None:
    tree_sitter, grammar = package("tree_sitter"), package("tree_sitter_powershell")
    parser = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
    tree = parser.parse(script.text.encode())
    assert not tree.root_node.has_error, script.place


def test_the_script_makes_scoops_names() -> None:
    text = block(PAGE, "powershell", "Get-Early($App)").text
    assert "$App, $manifest.version, ($digest.Substring(0, 7) + [IO.Path]::GetExtension($url)) -join '#'" in text
    assert "$bytes = [Text.Encoding]::UTF8.GetBytes($url)" in text, "the digest is that of the whole address"

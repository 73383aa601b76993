"""PowerShell that is given out or run: files, and the steps of workflows that run on Windows. It is parsed, not run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pack.checks import tools

SHELLS = ("pwsh", "powershell")
_EXPRESSION = re.compile(r"\$\{\{.*?\}\}", re.DOTALL)
_AFTER_TRY = {"catch_clauses", "finally_clause"}
_WORDS = ("generic_token", "command_name", "switch_clause_condition")
_TEXT = re.compile(r"`.|'[^']*'|\"(`.|[^\"`])*\"", re.DOTALL)
_RELATIVE = re.compile(r"(?m)^(\s*)\./")  # the grammar knows commands in this folder with a backslash alone


def check(folders: Iterable[Path]) -> list[str]:
    """Complaints about every .ps1 below the folders, and about every step of a workflow there. Raises Missing."""
    found = []
    for folder in folders:
        for path in sorted(folder.rglob("*.ps1")):
            found += [f"{path.name}: {line}" for line in file(path)]
        for path in sorted(folder.rglob("workflows/*.yml")):
            found += [f"{path.name}: {line}" for line in workflow(path)]
    return found


def file(path: Path) -> list[str]:
    """What is wrong with a script: lines end with CRLF, no mark, and PowerShell can read it."""
    data = path.read_bytes()
    texts = [line.split(": ", 1)[1] for line in tools.text(path, b"\r\n" if b"\r" in data else b"\n")]
    if not data.isascii():
        texts.append("is not ASCII: Windows PowerShell would read it in the encoding of the machine")
    return [*texts, *parse(data.decode("utf-8", "replace"))]


def workflow(path: Path) -> list[str]:
    """What is wrong with the steps of a workflow that PowerShell runs."""
    try:
        told = tools.load_yaml(path.read_text(encoding="utf-8", errors="replace"))
    except ValueError as error:
        return [str(error)]
    found = []
    for name, text in steps(_map(told)):
        found += [f"{name}: {line}" for line in parse(_EXPRESSION.sub("EXPRESSION", text))]
    return found


def steps(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(name, script) of each step of a workflow that PowerShell runs: it is Windows' shell where none is named."""
    for key, job in _map(told.get("jobs")).items():
        job = _map(job)
        windows = "windows" in str(job.get("runs-on", ""))
        usual = _shell(job) or _shell(told) or ("pwsh" if windows else "bash")
        listed = job.get("steps")
        for number, entry in enumerate(map(_map, listed if isinstance(listed, list) else []), 1):
            if "run" in entry and entry.get("shell", usual) in SHELLS:
                yield f"{key}, {entry.get('name') or f'step {number}'}", str(entry["run"])


def _shell(told: dict[str, Any]) -> str:
    return str(_map(_map(told.get("defaults")).get("run")).get("shell") or "")


def _map(value: Any) -> dict[str, Any]:
    """A map, or an empty one where something else stands: what belongs there is for the workflows' schema to say."""
    return value if isinstance(value, dict) else {}


def parse(text: str) -> list[str]:
    """The lines at which PowerShell's grammar ends. Raises Missing."""
    tree_sitter = tools.library("tree_sitter")
    language = tree_sitter.Language(tools.library("tree_sitter_powershell").language())
    readable = _RELATIVE.sub(r"\1.\\", text)
    tree = tree_sitter.Parser(language).parse(readable.encode())
    return [f"line {line}: PowerShell cannot read this" for line in sorted(set(_errors(tree.root_node)))]


def _errors(node: Any) -> Iterator[int]:
    """The lines of what the grammar cannot read, and of what it reads though PowerShell does not."""
    alone = node.type == "try_statement" and not _AFTER_TRY & {child.type for child in node.children}
    if node.is_error or node.is_missing or alone or (node.type in _WORDS and not _is_word(node.text.decode())):
        yield node.start_point[0] + 1
        return
    for child in node.children:
        yield from _errors(child)


def _is_word(text: str) -> bool:
    """Whether it is more than nothing, and no text begins in it that does not end there."""
    return bool(text) and not set(_TEXT.sub("", text)) & {"'", '"'}

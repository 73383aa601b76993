"""PowerShell that is given out or run: files, and the steps of workflows that run on Windows. It is parsed, not run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pack.checks import tools

SHELLS = ("pwsh", "powershell")
_EXPRESSION = re.compile(r"\$\{\{.*?\}\}", re.DOTALL)
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
    if not tree.root_node.has_error:
        return []
    return [f"line {line}: PowerShell cannot read this" for line in sorted(set(_errors(tree.root_node)))]


def _errors(node: Any) -> Iterator[int]:
    if node.is_error or node.is_missing:
        yield node.start_point[0] + 1
        return
    for child in node.children:
        if child.has_error:
            yield from _errors(child)

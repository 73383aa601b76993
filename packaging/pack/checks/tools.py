"""The tools that checks are made with, where they are there: libraries of Python and programs."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from pack import facts

SCHEMAS = facts.ROOT / "packaging/schemas"
INSTALL = "pip install -r packaging/check.txt"
AROUND = 60  # characters of a long line that are shown from the first wrong one on
MOST = 300  # characters of what a tool says about one thing: some repeat the whole value

LIBRARIES = ("jsonschema", "yaml", "yamllint", "cyclonedx.validation.json", "tree_sitter", "tree_sitter_powershell")
PROGRAMS = ("actionlint", "check-jsonschema", "zizmor")


class Missing(Exception):
    """A tool that a check needs is not installed; the text says how it is."""


def are_here() -> bool:
    """Whether this Python has everything that comes by check.txt."""
    try:
        return all([*map(library, LIBRARIES), *map(program, PROGRAMS)])
    except Missing:
        return False


def library(name: str) -> Any:
    """A module, imported. Raises Missing."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise Missing(f"{name} is not installed: {INSTALL}") from None


def program(name: str, hint: str = INSTALL) -> str:
    """The path of a program: one of this Python's environment, or of the system. Raises Missing."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which(name, path=beside) or shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed: {hint}")
    return found


def run(command: Sequence[str | Path], folder: Path | None = None) -> tuple[int, str]:
    """The exit code of a command that runs in `folder`, and what it wrote."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return done.returncode, done.stdout.decode("utf-8", "replace").strip()


def schema(name: str) -> dict[str, Any]:
    """One of SCHEMAS."""
    told: dict[str, Any] = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    return told


def against(told: object, rules: dict[str, Any], name: str) -> Iterator[str]:
    """What a schema has to say of a value. Raises Missing."""
    jsonschema = library("jsonschema")
    checker = jsonschema.Draft7Validator(rules, format_checker=jsonschema.FormatChecker())
    for error in sorted(checker.iter_errors(told), key=lambda error: list(map(str, error.path))):
        place = "/".join(map(str, error.path)) or "the whole"
        yield f"{name}: {place}: {short(error.message)}"


def short(said: object) -> str:
    """What a tool said, on one line of a length that people read."""
    line = " ".join(str(said).split())
    return line if len(line) <= MOST else f"{line[:MOST]}..."


def printable(line: str) -> str:
    """A line without signs that a terminal obeys: names in an archive are whoever's."""
    return "".join(char if char.isprintable() else "?" for char in line)


def load_yaml(text: str) -> Any:
    """What a text says as YAML. Raises ValueError for one that is none, and Missing."""
    yaml = library("yaml")
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date that no calendar has
        raise ValueError(f"is no YAML: {short(error)}") from None


def lint(path: Path, rules: str) -> list[str]:
    """What yamllint has to say of a file. Raises Missing."""
    linter, config = library("yamllint.linter"), library("yamllint.config")
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        problems = list(linter.run(text, config.YamlLintConfig(rules)))
    except (library("yaml").YAMLError, RecursionError) as error:  # for signs that no YAML may hold
        return [f"{path.name}: {short(error)}"]
    return [f"{path.name}: line {problem.line}: {problem.desc} ({problem.rule or 'syntax'})" for problem in problems]


def text(path: Path, line_end: bytes) -> list[str]:
    """What is wrong with a text as a text: UTF-8, no mark at the beginning, one kind of line end, one at the end."""
    data = path.read_bytes()
    found = []
    if data.startswith(b"\xef\xbb\xbf"):
        found.append(f"{path.name}: begins with a byte order mark")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        found.append(f"{path.name}: is not UTF-8: byte {error.start}")
    bare = data.replace(b"\r\n", b"")
    if line_end == b"\r\n" and (b"\n" in bare or b"\r" in bare):
        found.append(f"{path.name}: has lines that do not end with CRLF")
    if line_end == b"\n" and b"\r" in data:
        found.append(f"{path.name}: has lines that do not end with LF alone")
    if not data.endswith(line_end) or data.endswith(line_end * 2):
        found.append(f"{path.name}: does not end with one line end")
    return found


def same(name: str, data: bytes, wanted: bytes) -> list[str]:
    """The first line in which a text is not what `python packaging manifests` writes: the last of the checks, for what
    is right by every schema and wrong all the same."""
    pairs = zip_longest(*(text.decode("utf-8", "replace").split("\n") for text in (data, wanted)))
    for number, (line, right) in enumerate(pairs, 1):
        if line != right:
            told, wished = _shown(line or "", right or "")
            said = "nothing" if line is None else repr(told)
            return [f"{name}: line {number} is {said}, and 'python packaging manifests' writes {wished or 'nothing'!r}"]
    return []


def _shown(line: str, other: str) -> tuple[str, str]:
    """Two lines that differ; of long ones what stands around the first difference."""
    if max(len(line), len(other)) <= 2 * AROUND:
        return line, other
    first = next((at for at, pair in enumerate(zip_longest(line, other)) if pair[0] != pair[1]), 0)
    part = slice(max(0, first - AROUND // 2), first + AROUND)
    return f"...{line[part]}...", f"...{other[part]}..."

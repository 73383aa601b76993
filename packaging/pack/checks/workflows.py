"""GitHub's workflows: their schema, their grammar and scripts (actionlint), what an attacker could use (zizmor)."""

from __future__ import annotations

import re
from pathlib import Path

from pack.checks import tools

LINT = (
    "{extends: default, rules: {document-start: disable, line-length: {max: 140}, truthy: {check-keys: false},"
    " comments: {min-spaces-from-content: 1}, brackets: {max-spaces-inside: 1}, braces: {max-spaces-inside: 1}}}"
)


def check(folder: Path) -> list[str]:
    """Complaints about the workflows of a .github folder. Raises Missing."""
    paths = sorted((folder / "workflows").glob("*.y*ml"))
    if not paths:
        return ["there are no workflows"]
    found = []
    for line in [*schema(paths), *actionlint(paths), *zizmor(paths)]:
        found.append(tools.short(line.replace(f"{paths[0].parent}/", "")))
    for path in paths:
        found += [*tools.text(path, b"\n"), *tools.lint(path, LINT)]
        found += [f"{path.name}: {line}" for line in pins(path.read_text(encoding="utf-8", errors="replace"))]
    return found


def schema(paths: list[Path]) -> list[str]:
    """What GitHub's own schema says. Raises Missing."""
    program = tools.program("check-jsonschema")
    code, said = tools.run([program, "--builtin-schema", "vendor.github-workflows", *paths])
    if not code:
        return []
    # Of a whole job it says no more than that it fits nowhere; what is in it would drown that.
    lines = [
        re.sub(r"(::\S+: )\{.*\} (is not)", r"\1this \2", line.strip()) for line in said.splitlines() if "::" in line
    ]
    return lines or [said]


def actionlint(paths: list[Path]) -> list[str]:
    """What actionlint says: expressions, names of jobs and runners, shell scripts. Raises Missing."""
    code, said = tools.run([tools.program("actionlint"), "-no-color", "-oneline", *paths], paths[0].parent)
    return said.splitlines() if code else []


def zizmor(paths: list[Path]) -> list[str]:
    """What zizmor says: permissions, pins, what strangers could inject. Raises Missing."""
    code, said = tools.run([tools.program("zizmor"), "--offline", "--no-progress", "--color=never", *paths])
    if not code:
        return []
    found = re.findall(r"(?m)^((?:error|warning|help|info)\[[^\n]+)\n +--> ([^\n]+)", said)
    return [f"{place}: {what}" for what, place in found] or [said]


def pins(text: str) -> list[str]:
    """Actions that are not pinned by a commit, with the version that it is behind it."""
    found = []
    for line in text.splitlines():
        used = re.match(r"\s*-?\s*uses:\s*(\S+)(.*)", line)
        if used and not used[1].startswith("./"):
            if not re.search(r"@[0-9a-f]{40}$", used[1]):
                found.append(f"{used[1]} is not pinned by a commit")
            elif not re.match(r"\s+# v\d", used[2]):
                found.append(f"{used[1]}: no comment says which version that is")
    return found

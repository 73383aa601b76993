"""`python packaging/release.py COMMAND`: the steps of .github/workflows/release.yml that are more than one line.

They stand here and not in the workflow so that they can be tested, and done by hand where the workflow cannot.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pack import artifacts, facts, manifests

ORDER = ("release", "pypi", "scoop", "winget", "chocolatey")
"""The order in which a release is given out; names of jobs. Everything behind the first points to its files."""

SHOWN = {"release": "GitHub", "pypi": "PyPI", "scoop": "Scoop", "winget": "winget", "chocolatey": "Chocolatey"}


class NotReady(Exception):
    """What keeps a release from going on; its text says so."""


# --- before ----------------------------------------------------------------------------------------------


def check_tag(tag: str) -> str:
    """The version that a tag is for. Raises NotReady where it is not the one of the code, is one that not every store
    takes, or has no dated notes."""
    version = facts.version()
    if tag != f"v{version}":
        raise NotReady(f"the tag is {tag}, and src/fastdl/__init__.py says {version}")
    if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", version):
        # PyPI writes 1.0.0rc1, Chocolatey 1.0.0-rc1, and winget has no pre-releases.
        raise NotReady(f"{version} is not three numbers with dots: no pre-release goes to the stores, rehearse instead")
    head = re.search(r"(?m)^## (.*)$", (facts.ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    if head is None or not re.fullmatch(rf"{re.escape(version)} - \d{{4}}-\d\d-\d\d", head[1]):
        raise NotReady(f"CHANGELOG.md does not begin with '## {version} - ' and a date")
    return version


def notes(version: str) -> str:
    """What stands on the page of the release."""
    return (
        f"{facts.notes(version)}\nWho built these files, and how to check that: {facts.document('docs/release.md')}\n"
    )


# --- trying out what was built ---------------------------------------------------------------------------


def try_out(dist: Path) -> str:
    """Unpacks the archive for this machine somewhere and runs the program in it; what it said. Raises NotReady."""
    from pack import bundle

    version = facts.version()
    name = artifacts.archive_name(version, *bundle.here())
    with tempfile.TemporaryDirectory(prefix="fastdl try ", ignore_cleanup_errors=True) as folder:
        _unpack(dist / name, Path(folder))
        program = Path(folder, facts.NAME, facts.NAME + (".exe" if sys.platform == "win32" else ""))
        said = _run([str(program), "--version"])
        if said.split() != [facts.NAME, version]:
            raise NotReady(f"{name} says {said.strip()!r}")
        _run([str(program), "demo"])
    return f"{name}: {said.strip()}, and its demo runs"


def _unpack(archive: Path, folder: Path) -> None:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
    else:
        with tarfile.open(archive) as packed:
            packed.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)  # our own, made a moment ago
            packed.extractall(folder)


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=300, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).decode("utf-8", "replace")
        raise NotReady(f"{' '.join(command)} ended with {done.returncode}: {said[-2000:]}")
    return done.stdout.decode("utf-8", "replace")


def lay_out(dist: Path, folder: Path, address: str) -> list[Path]:
    """Copies the manifests into `folder`, with files at `address` instead of those of a release that is not out yet."""
    version = facts.version()
    released = facts.release_url(version, "")
    made = []
    for source in sorted((dist / manifests.MANIFESTS).rglob("*")):
        if source.is_file():
            target = folder / source.relative_to(dist / manifests.MANIFESTS)
            target.parent.mkdir(parents=True, exist_ok=True)
            text = source.read_bytes()
            if source.suffix == ".json" or "installer" in source.name:
                if released.encode() not in text:
                    raise NotReady(f"{source.name} names no file of the release")
                text = text.replace(released.encode(), f"{address.rstrip('/')}/".encode())
            target.write_bytes(text)
            made.append(target)
    return made


def verify(dist: Path, tag: str) -> str:
    """Checks the attestation of the files in `dist` as `fastdl upgrade` will, with its own code. Raises NotReady."""
    sys.path.insert(0, str(facts.ROOT / "src"))
    from fastdl.core.attestation import attested, sigstore
    from fastdl.engine.releases import ATTESTATION
    from fastdl.home import WORKFLOW

    version = facts.version()
    bundle = dist / ATTESTATION.format(version)
    try:
        known = attested(bundle.read_text(encoding="utf-8"), sigstore(), f"{WORKFLOW}@refs/tags/{tag}").digests
    except (ValueError, OSError) as error:
        raise NotReady(f"{bundle.name}: {error}") from error
    own = {path.name: artifacts.sha256(path) for path in artifacts.released(dist) if path != bundle}
    wrong = sorted(name for name, digest in own.items() if known.get(name) != digest)
    if wrong or not own:
        raise NotReady(f"{bundle.name} does not attest {', '.join(wrong) or 'anything'}")
    return f"{bundle.name} attests {len(own)} files"


# --- afterwards ------------------------------------------------------------------------------------------


def status(needs: Mapping[str, Any]) -> tuple[str, bool]:
    """A table of how each step of ORDER ended, and whether all is well, from the `needs` of the job that asks: a store
    that is skipped because its secret is not set is no failure."""
    lines, well = ["| where | how it ended |", "|---|---|"], True
    for job in ORDER:
        told = needs.get(job, {})
        result = told.get("result", "missing")
        state = told.get("outputs", {}).get("state", "")
        well = well and result == "success"
        lines.append(f"| {SHOWN[job]} | {(state or 'published') if result == 'success' else f'**{result}**'} |")
    others = sorted(job for job, told in needs.items() if job not in ORDER and told.get("result") != "success")
    if others:
        lines += ["", f"Before that, not done: {', '.join(others)}."]
    return "\n".join(lines) + "\n", well and not others


# --- the command line ------------------------------------------------------------------------------------


def _said(text: str) -> int:
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    return 0


def _status() -> int:
    table, well = status(json.loads(os.environ["NEEDS"]))
    _said(table)
    return 0 if well else 1


def _lay_out(given: argparse.Namespace) -> int:
    return _said("\n".join(str(path) for path in lay_out(given.dist, given.folder, given.address)))


def main(argv: Sequence[str]) -> int:
    """Runs one command; its exit code: 0, or 1 where the release cannot go on."""
    parser = argparse.ArgumentParser(prog="python packaging/release.py", description="Steps of a release.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    doing: dict[str, Callable[[argparse.Namespace], int]] = {
        "tag": lambda given: _said(check_tag(given.tag)),
        "notes": lambda given: _said(notes(facts.version())),
        "distribution": lambda given: _said(facts.distribution()),
        "try": lambda given: _said(try_out(given.dist)),
        "local": _lay_out,
        "verify": lambda given: _said(verify(given.dist, given.tag)),
        "status": lambda given: _status(),
    }
    dist = argparse.ArgumentParser(add_help=False)
    dist.add_argument("--dist", type=Path, default=facts.DIST, help="the folder of the built files (default: dist)")
    commands.add_parser("tag", help="check that a tag is the code's version").add_argument("tag")
    commands.add_parser("notes", help="print what stands on the page of the release")
    commands.add_parser("distribution", help="print the name on the package index")
    commands.add_parser("try", parents=[dist], help="run the program of the archive for this machine")
    local = commands.add_parser("local", parents=[dist], help="the manifests, for files that lie elsewhere")
    local.add_argument("folder", type=Path)
    local.add_argument("address")
    commands.add_parser("verify", parents=[dist], help="check the attestation of DIST").add_argument("tag")
    commands.add_parser("status", help="print how each job ended, from the variable NEEDS; 1 where one failed")
    given = parser.parse_args(list(argv))
    try:
        return doing[given.command](given)
    except (NotReady, ValueError) as error:
        print(f"{given.command}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What is inside a frozen program, and under which licences: told from the list of files that PyInstaller took.

Each file belongs to a distribution (found by the RECORD of its dist-info), to Python's own library, to fastdl, or is a
library of the system. One whose licence nobody knows is an error: it must not be given out by accident.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any

from pack import artifacts
from pack.steps import StepFailed

KINDS = re.compile(r"PYMODULE|PYSOURCE|EXTENSION|BINARY|DATA")
IDS = {"MIT", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "MPL-2.0", "ISC", "0BSD", "Zlib", "PSF-2.0", "Unlicense"}
CLASSIFIERS = {
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
}
# Where the metadata are less exact than the licence itself.
STATED = {"colorama": "BSD-3-Clause", "pyinstaller": "GPL-2.0-or-later WITH Bootloader-exception"}
_GCC = "GPL-3.0-or-later WITH GCC-exception-3.1"

# Libraries of systems that come along: a pattern of the file's name, what it is, its licence (SPDX), and the name of
# its version in what Python says.
LIBRARIES = (
    (r"lib(crypto|ssl)[-.]", "openssl", "Apache-2.0", "openssl"),
    (r"(lib)?sqlite3", "sqlite", "blessing", "sqlite"),
    (r"lib?z(lib1?)?[.-]|zlib", "zlib", "Zlib", "zlib"),
    (r"libffi", "libffi", "MIT", ""),
    (r"liblzma", "xz", "0BSD", ""),
    (r"libbz2", "bzip2", "bzip2-1.0.6", ""),
    (r"libexpat", "expat", "MIT", ""),
    (r"libmpdec", "mpdecimal", "BSD-2-Clause", ""),
    (r"libuuid", "libuuid", "BSD-3-Clause", ""),
    (r"libzstd", "zstd", "BSD-3-Clause", ""),
    (r"lib(gcc_s|stdc\+\+|gfortran|quadmath)", "gcc-runtime", _GCC, ""),
    (r"(lib)?python3", "cpython", "PSF-2.0", "python"),
    (r"(vcruntime|msvcp|concrt)\d+|ucrtbase|api-ms-win-", "microsoft-runtime", "LicenseRef-Microsoft-Runtime", ""),
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A file that was taken: its name inside, where it came from (a path of the system that froze it), what it is."""

    name: str
    source: str
    kind: str


@dataclass(frozen=True, slots=True)
class Part:
    """A thing with a name, a version and a licence. `texts`: its licence's files, by name; `files`: the native
    libraries of it, by name, with their SHA-256."""

    name: str
    version: str
    license: str
    purl: str = ""
    texts: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()


def pieces(toc: Path) -> list[Piece]:
    """The files of an `Analysis-00.toc` of PyInstaller, each once."""
    found = {}
    for name, source, kind in _triples(ast.literal_eval(toc.read_text(encoding="utf-8"))):
        found[name, source] = Piece(name.replace("\\", "/"), source.replace("\\", "/"), kind)
    return sorted(found.values(), key=lambda piece: (piece.name, piece.source))


def _triples(value: Any) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, tuple) and len(value) == 3 and all(isinstance(part, str) for part in value):
        if KINDS.match(value[2]):
            yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _triples(part)


# --- distributions ---------------------------------------------------------------------------------------


def _key(path: str) -> str:
    return path.replace("\\", "/").lower()


def records(packages: Path) -> dict[str, Path]:
    """The dist-info folder that each file below `packages` belongs to, by its path there in lower case."""
    found = {}
    for record in sorted(packages.glob("*.dist-info/RECORD")):
        for line in record.read_text(encoding="utf-8").splitlines():
            found[_key(line.rsplit(",", 2)[0].strip('"'))] = record.parent
    return found


def license_of(metadata: Message) -> str:
    """What a distribution says that its licence is: an SPDX expression where it gives one. Raises StepFailed."""
    stated = STATED.get(str(metadata["Name"]).lower()) or str(metadata["License-Expression"] or "").strip()
    if stated:
        return stated
    known = [CLASSIFIERS[line] for line in metadata.get_all("Classifier") or [] if line in CLASSIFIERS]
    if known:
        return " OR ".join(dict.fromkeys(known))
    line = str(metadata["License"] or "").strip()
    if line and "\n" not in line and len(line) < 60:
        return line
    rest = [str(name) for name in metadata.get_all("Classifier") or [] if str(name).startswith("License ::")]
    if rest:
        return rest[0].rsplit("::", 1)[1].strip()
    raise StepFailed(f"{metadata['Name']} does not say what its licence is")


def part_of(info: Path) -> Part:
    """The part that a dist-info folder describes."""
    metadata = Parser().parsestr((info / "METADATA").read_text(encoding="utf-8"), headersonly=True)
    name, version = str(metadata["Name"]), str(metadata["Version"])
    plain = re.sub(r"[-_.]+", "-", name).lower()
    return Part(name, version, license_of(metadata), f"pkg:pypi/{plain}@{version}", tuple(_texts(info)))


def _texts(info: Path) -> Iterator[tuple[str, str]]:
    wanted = re.compile(r"(?i)(license|licence|copying|notice|authors)")
    for path in sorted(info.rglob("*")):
        if path.is_file() and wanted.match(path.name):
            yield path.relative_to(info).as_posix(), path.read_text(encoding="utf-8", errors="replace")


# --- all of it -------------------------------------------------------------------------------------------


def parts(files: Iterable[Piece], packages: Path, about: Mapping[str, str], taken: Path) -> list[Part]:
    """The parts of a program, by name. `taken`: the folder that the files lie in now; they are not always those that
    they were made of, since symbols are stripped. Raises StepFailed for a file that nobody can account for."""
    owners = records(packages)
    infos: set[Path] = set()
    libraries: dict[str, list[tuple[str, str]]] = {}
    for piece in files:
        tail = piece.source.split("/site-packages/", 1)
        owner = owners.get(_key(tail[1])) if len(tail) == 2 else None
        if owner is not None:
            infos.add(owner)
        elif len(tail) == 2 and not _made_here(tail[1]):
            raise StepFailed(f"{piece.source} is in the program and belongs to no distribution")
        elif piece.kind == "BINARY":
            libraries.setdefault(library(piece.name), []).append((piece.name, _digest(taken / piece.name)))
    found = [part_of(info) for info in infos]
    cpython = Part("cpython", about["python"], "PSF-2.0", f"pkg:generic/cpython@{about['python']}")
    for name, named in libraries.items():
        if name == "cpython":
            cpython = Part(cpython.name, cpython.version, cpython.license, cpython.purl, (), tuple(sorted(named)))
            continue
        _, _, license, key = next(row for row in LIBRARIES if row[1] == name)
        version = about.get(key, "")
        purl = f"pkg:generic/{name}@{version}" if version else f"pkg:generic/{name}"
        found.append(Part(name, version, license, purl, (), tuple(sorted(named))))
    return sorted([*found, cpython], key=lambda part: part.name.lower())


def _made_here(tail: str) -> bool:
    """PyInstaller's own hooks, and folders that it makes up, are no files of a distribution."""
    return "/" not in tail or tail.endswith(("/.", "/-"))


def library(name: str) -> str:
    """What a native library is, by its file's name. Raises StepFailed for one that is not known, or that must not be
    given out with fastdl."""
    file = name.rsplit("/", 1)[-1].lower()
    for pattern, what, _, _ in LIBRARIES:
        if re.match(pattern, file):
            return what
    raise StepFailed(f"{name} is in the program and its licence is not known (packaging/pack/inside.py)")


def _digest(path: Path) -> str:
    if not path.is_file():
        raise StepFailed(f"{path.name} is in PyInstaller's list and not in the program")
    return artifacts.sha256(path)


def python_license(about: Mapping[str, str]) -> str:
    """The text of Python's licence. Raises StepFailed where this Python has none."""
    short = ".".join(about["python"].split(".")[:2])
    places = [
        Path(about["stdlib"]) / "LICENSE.txt",
        *(Path(about["base"]) / name for name in ("LICENSE.txt", "LICENSE")),
    ]
    places += [Path(f"/usr/share/doc/{name}{short}/copyright") for name in ("python", "libpython")]
    places += [Path(f"/usr/share/doc/libpython{short}-minimal/copyright")]
    for path in places:
        if path.is_file():
            return path.read_text(encoding="utf-8", errors="replace")
    raise StepFailed(f"the licence of Python {about['python']} is at none of {', '.join(map(str, places))}")


def notices(parts: Iterable[Part], python: str) -> str:
    """The text that goes with the program: who made what is inside, under which licence."""
    listed = list(parts)
    lines = ["fastdl comes with the work of others. What is inside, and its licence:", ""]
    lines += [f"  {part.name} {part.version}".rstrip() + f": {part.license}" for part in listed]
    blocks = ["\n".join(lines), _block("Python, and the libraries that it is built with", python)]
    for part in listed:
        blocks += [_block(f"{part.name} {part.version}: {name}", text) for name, text in part.texts]
    return "\n\n".join(blocks) + "\n"


def _block(title: str, text: str) -> str:
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").strip().split("\n")]
    return f"{'-' * 100}\n{title}\n{'-' * 100}\n\n" + "\n".join(lines)

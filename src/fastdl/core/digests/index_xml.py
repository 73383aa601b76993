"""Indexes in XML, read as a stream: rpm's repomd and primary, Android's repositories; and apt's Release files, which
lead to the index proper by its digest."""

from __future__ import annotations

import re

from fastdl.core.digests.base import (
    DigestNotFound,
    Found,
    Step,
    algorithm_named,
    found,
    from_hex,
    listed_path,
    target_path,
)
from fastdl.core.digests.packed import can_unpack
from fastdl.core.digests.sums import text_of
from fastdl.core.digests.xml import XmlReader
from fastdl.core.urls import join, parse_url
from fastdl.core.verify import Digest
from fastdl.errors import UsageError


class RpmPrimary:
    """rpm's primary.xml: checksum and location of each package."""

    def __init__(self, look: Step, known_size: int | None) -> None:
        self._path = listed_path(look)
        self._known_size = known_size
        self._xml = XmlReader(self._visit)
        self._begin()
        self._digests: list[Digest] = []
        self._sizes: set[int] = set()

    def _begin(self) -> None:
        self._digest: Digest | None = None
        self._location = ""
        self._size: int | None = None

    def feed(self, data: bytes) -> None:
        self._xml.feed(data)

    def finish(self) -> Found:
        self._xml.feed(b"", True)
        return found(self._digests, size=next(iter(self._sizes), None), known_size=self._known_size)

    def _visit(self, path: tuple[str, ...], attributes: dict[str, str], text: str) -> None:
        part = path[2:] if path[:2] == ("metadata", "package") else None
        if part == ("checksum",):
            self._digest = from_hex(text, algorithm_named(attributes.get("type", "")) or "?")
        elif part == ("location",):
            self._location = attributes.get("href", "")
        elif part == ("size",):
            self._size = _number(attributes.get("package", ""))
        elif part == ():
            where = self._location
            if where and self._digest and (self._path == where or self._path.endswith("/" + where)):
                self._digests.append(self._digest)
                self._sizes |= {self._size} if self._size is not None else set()
            self._begin()


class AndroidRepository:
    """Android's repository XML: size, checksum and url of each archive (SHA-1: weak)."""

    def __init__(self, look: Step, known_size: int | None) -> None:
        self._path = target_path(look)
        self._known_size = known_size
        self._xml = XmlReader(self._visit)
        self._parts: dict[str, str] = {}
        self._label = ""
        self._digests: list[Digest] = []

    def feed(self, data: bytes) -> None:
        self._xml.feed(data)

    def finish(self) -> Found:
        self._xml.feed(b"", True)
        return found(self._digests, known_size=self._known_size)

    def _visit(self, path: tuple[str, ...], attributes: dict[str, str], text: str) -> None:
        if path[-2:-1] == ("complete",) and path[-1] in ("checksum", "url", "size"):
            self._parts[path[-1]] = text
            if path[-1] == "checksum":
                self._label = attributes.get("type", "")
        elif path[-1] == "complete":
            where, label = self._parts.get("url", ""), algorithm_named(self._label) or ""
            if where and (self._path == where or self._path.endswith("/" + where)):
                digest = from_hex(self._parts.get("checksum", ""), label)
                self._digests += [digest] if digest else []
            self._parts, self._label = {}, ""


def rpm_repomd(look: Step, body: bytes, known_size: int | None = None) -> Step:
    """Where the primary index is, and its digest. Raises DigestNotFound."""
    listed: list[tuple[str, Digest | None]] = []
    state: dict[str, str] = {}

    def visit(path: tuple[str, ...], attributes: dict[str, str], text: str) -> None:
        if path == ("repomd", "data", "checksum"):
            state["label"], state["hex"] = attributes.get("type", ""), text
        elif path == ("repomd", "data", "location"):
            state["href"] = attributes.get("href", "")
        elif path == ("repomd", "data"):
            if attributes.get("type") == "primary" and state.get("href"):
                named = algorithm_named(state.get("label", "")) or "?"
                listed.append((state["href"], from_hex(state.get("hex", ""), named)))
            state.clear()

    XmlReader(visit).feed(body, True)
    for href, digest in listed:
        if can_unpack(href) and digest is not None:
            return look.to(_below(look.url, f"../{href}"), expected=digest, format="primary")
    raise DigestNotFound("its index cannot be read here")


def apt_release(look: Step, body: bytes, known_size: int | None = None) -> Step:
    """Where the Packages of the file's component and architecture are, by their digest where the archive has that
    (the way from a Release to a Packages of the same moment). Raises DigestNotFound."""
    component, arch = _component_and_arch(look)
    listed: dict[str, str] = {}
    within = ""
    text = text_of(body)
    by_hash = re.search(r"^Acquire-By-Hash:[ \t]*yes[ \t]*\r?$", text, re.MULTILINE | re.IGNORECASE) is not None
    for line in text.split("\n"):
        if line[:1] not in (" ", "\t"):
            within = line.strip()
        elif within == "SHA256:":
            parts = line.split()
            if len(parts) == 3 and f"/binary-{arch}/Packages" in f"/{parts[2]}":
                listed.setdefault(parts[2], parts[0])
    for ending in (".xz", ".gz", ""):
        name = f"{component}/binary-{arch}/Packages{ending}"
        digest = from_hex(listed.get(name, ""), "sha256")
        if digest is not None:
            place = f"{name.rpartition('/')[0]}/by-hash/SHA256/{digest.hex}" if by_hash else name
            return look.to(_below(look.url, place), expected=digest, format="debian")
    raise DigestNotFound("it lists no index of the file's component and architecture")


def _component_and_arch(look: Step) -> tuple[str, str]:
    """From the rule, else from "pool/COMPONENT/…/NAME_VERSION_ARCH.deb"."""
    path = target_path(look)
    pool = re.search(r"(?:^|/)pool/([a-z][a-z-]*)/", path)
    arch = re.search(r"_([a-z0-9-]+)\.u?deb$", path)
    component = look.names.get("component") or (pool[1] if pool else "")
    architecture = look.names.get("arch") or (arch[1] if arch else "")
    if architecture == "all":
        architecture = "amd64"  # such packages stand in every architecture's index
    if not component or not architecture:
        raise DigestNotFound("the rule does not say which index to look in")
    return component, architecture


def _below(base: str, place: str) -> str:
    try:
        return join(parse_url(base), place).text
    except (UsageError, ValueError):
        raise DigestNotFound("it leads nowhere") from None


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None

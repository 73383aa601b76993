"""Digests in the JSON that a publisher's API answers with.

Where in the document is the rule's matter (json_path.py). What stands there may be hex, "sha256:HEX", base64 or an
SRI string. A second document is asked for where the rule says so, and where a list of a release's files goes on in
pages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from fastdl.core.digests.base import DigestNotFound, Found, Step, found, from_text
from fastdl.core.digests.json_path import Match, select, texts
from fastdl.core.hints import Any
from fastdl.core.verify import Digest

MOST_PAGES = 10
PAGE = 100  # entries of a page of files
MOST_MATCHES = 64

_SIZES = ("size", "filesize", "packageSize")


def parse_json(body: bytes) -> Any:
    """The document. Raises DigestNotFound for what is none, or nested too deep."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise DigestNotFound("its answer is no JSON") from None


def json_api(look: Step, body: bytes, known_size: int | None = None) -> Found | Step:
    """The digest in an answer, or the next document. Raises DigestNotFound."""
    document = parse_json(body)
    look = _learn(look, document)
    if look.follow:
        return look.to(_url(texts(document, look.follow)), follow=())
    if look.confirm is not None:
        path, ending = look.confirm
        if not any(text.endswith(ending) for text in texts(document, path)):
            raise DigestNotFound("it speaks of another file")
    more = _next_page(look, document)
    if more is not None:
        return more
    return _in(look, document, known_size)


def json_lines(look: Step, body: bytes, known_size: int | None = None) -> Found:
    """The digest in an index of one JSON object a line (crates). Raises DigestNotFound."""
    # Only lines that can fit are parsed: an index names every version that ever was.
    wanted = [str(step.value) for step in look.json_path if hasattr(step, "value")]
    lines = []
    for line in body.split(b"\n"):
        if all(text.encode() in line for text in wanted):
            lines.append(line)
            if len(lines) > MOST_MATCHES * 16:
                raise DigestNotFound("the index names the file too often")
    return _in(look, [parse_json(line) for line in lines if line.strip()], known_size)


def _in(look: Step, document: object, known_size: int | None) -> Found:
    matches = select(document, look.json_path)[:MOST_MATCHES]
    digests = _digests(matches, look.algorithm)
    if not digests and look.fallback is not None:
        path, algorithm = look.fallback
        matches = matches or select(document, path)
        digests = _digests(select(document, path)[:MOST_MATCHES], algorithm)
    if matches and not digests:
        raise DigestNotFound("it lists the file without a digest")
    size = _size(look, document, matches)
    return found(digests, size=size, known_size=known_size)._replace(learned=look.learned)


def _learn(look: Step, document: object) -> Step:
    """The step with what the answer says besides, for mirrors whose URLs need it."""
    learned = {name: values[0][:1000] for name, path in look.extra if (values := texts(document, path))}
    return look._replace(learned={**look.learned, **learned}) if learned else look


def _digests(matches: Sequence[Match], algorithm: str) -> list[Digest]:
    """Of what was found. An algorithm that the document itself names counts for more than the rule's."""
    digests = []
    for value, parent in matches:
        named = parent.get("packageHashAlgorithm") if isinstance(parent, dict) else None
        kind = named.lower() if isinstance(named, str) else algorithm
        if isinstance(value, str) and (digest := from_text(value, kind)):
            digests.append(digest)
    return digests


def _size(look: Step, document: object, matches: list[Match]) -> int | None:
    """The file's size: where the rule says, else beside the digest. None where it is not clear."""
    if look.size_path:
        values = [value for value, _ in select(document, look.size_path)]
    else:
        parents = [parent for _, parent in matches if isinstance(parent, dict)]
        values = [parent[key] for parent in parents for key in _SIZES if key in parent]
    sizes = {value for value in values if isinstance(value, int) and not isinstance(value, bool) and value >= 0}
    return sizes.pop() if len(sizes) == 1 else None


def _url(urls: list[str]) -> str:
    if not urls or not urls[0].startswith("https://") or len(urls[0]) > 2000:
        raise DigestNotFound("it leads nowhere")
    return urls[0]


def _next_page(look: Step, document: object) -> Step | None:
    """A release lists a bounded number of its files; the others stand in pages of their own."""
    if look.page:
        if not isinstance(document, list) or len(document) < PAGE or look.page >= MOST_PAGES:
            return None
        if select(document, look.json_path):
            return None
        return look.to(re.sub(r"&page=\d+$", f"&page={look.page + 1}", look.url), page=look.page + 1)
    if look.json_path[:1] != ("assets",) or not isinstance(document, dict) or select(document, look.json_path):
        return None
    more, listed = document.get("assets_url"), document.get("assets")
    if not isinstance(more, str) or "?" in more or not isinstance(listed, list) or len(listed) < 30:
        return None
    where = f"{_url([more])}?per_page={PAGE}&page=1"
    return look.to(where, json_path=look.json_path[1:], size_path=look.size_path[1:], page=1)

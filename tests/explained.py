"""What the tests of `explain` share: rules of one's own, a file, what an origin answers with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

CASES = json.loads((Path(__file__).parent / "data/cases.json").read_text(encoding="utf-8"))
HELM = "https://get.helm.sh/helm-v3.9.1-linux-amd64.tar.gz"
PLAIN = "https://files.example.org/a.zip"
NAME = "https://tools.example.org/releases/1.2/tool.tgz"
FILE = b"the whole tool" * 1000
SHA = hashlib.sha256(FILE).hexdigest()
RULES = """
[rules.tools]
match = "https://tools.example.org/releases/{version}/{file}"

[rules.tools.mirrors.berlin]
url = "https://berlin.example.com/tools/{version}/{file}"
operator = "Example Ltd"
region = "DE"

[rules.tools.mirrors.oslo]
url = "https://oslo.example.com/tools/{version}/{file}"
region = "NO"

[rules.tools.mirrors.twin]
url = "https://twin.tools.example.org/releases/{version}/{file}"
trust = "alias"

[rules.tools.mirrors.stranger]
url = "https://stranger.example.net/{version}/{file}"
trust = "third-party"
enabled = false

[rules.tools.digests.sums]
url = "https://tools.example.org/releases/{version}/SHA256SUMS"
kind = "sums_file"
"""
Say = Callable[..., dict[str, Any]]
Pages = dict[str, tuple[str, bytes]]  # path -> head and body


def by_host(told: dict[str, Any]) -> dict[str, Any]:
    return {source["host"]: source for source in told["sources"]}


def allowed(told: dict[str, Any]) -> list[str]:
    return [source["host"] for source in told["sources"] if source["allowed"]]


def whole(extra: str = "") -> tuple[str, bytes]:
    partial = f'206 Partial Content\r\nContent-Range: bytes 0-{len(FILE) - 1}/{len(FILE)}\r\nETag: "one"'
    return partial + extra, FILE

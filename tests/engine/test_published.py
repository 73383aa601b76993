"""Which of the digests that were found count."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any, cast

from fastdl.core.head import Head
from fastdl.core.route import Route
from fastdl.core.urls import parse_url
from fastdl.core.verify import Digest
from fastdl.engine.verifying.published import _findings
from fastdl.io.contact import Answer

URL = "https://example.org/f"
STRONG = Digest("sha256", hashlib.sha256(b"file").digest())
WEAK = Digest("md5", hashlib.md5(b"file").digest())


def answer(*digests: Digest, url: str = URL) -> Answer:
    text = ", ".join(f"{each.algorithm}=:{b64encode(each.value).decode()}:" for each in digests)
    head = Head(206, "", (("repr-digest", text.replace("sha256", "sha-256")),), "HTTP/1.1")
    return Answer(head, parse_url(url), cast(Any, None))


def test_all_sure_ones_count_the_strongest_first() -> None:
    route = Route(URL, None, None, False, "", embedded=STRONG)
    found = _findings(route, None, answer(WEAK), True)
    assert [(each.digest, each.source) for each in found] == [(STRONG, "url"), (WEAK, "origin")]


def test_one_that_nobody_vouches_for_counts_only_alone() -> None:
    route = Route(URL, None, None, False, "", embedded=STRONG)
    liar = Digest("md5", bytes(16))
    assert [each.digest for each in _findings(route, None, answer(liar), False)] == [STRONG]
    (alone,) = _findings(route._replace(embedded=None), None, answer(liar), False)
    assert (alone.digest, alone.verified) == (liar, False)


def test_the_same_digest_is_told_once() -> None:
    route = Route(URL, None, None, False, "", embedded=STRONG)
    (one,) = _findings(route, None, answer(STRONG), True)
    assert one.source == "url"

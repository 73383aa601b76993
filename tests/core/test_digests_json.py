"""Digests in JSON: paths, encodings, second documents, pages, lines."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.digests import DigestNotFound, Found, Step, next_step, question_for, step_of
from fastdl.core.digests.json_path import select
from fastdl.core.head import Head
from fastdl.core.route import DigestLook
from fastdl.core.rules import Field, Where

OK = Head(200, "OK", (), "HTTP/1.1")
SHA = hashlib.sha256(b"x").hexdigest()
SHA512 = hashlib.sha512(b"x").digest()
OTHER = hashlib.sha256(b"y").hexdigest()
SRI = "sha512-" + base64.b64encode(SHA512).decode()


def look(path: tuple[Any, ...], algorithm: str = "sha256", **more: Any) -> Step:
    return Step("json_api", "https://api.example.org/r", algorithm, path, {"url": "https://example.org/f.zip"}, **more)


def ask(step: Step, document: Any, size: int | None = None) -> Found:
    found = next_step(step, OK, json.dumps(document).encode(), size)
    assert isinstance(found, Found)
    return found


RELEASE = {
    "name": "Version 1",
    "assets": [
        {"name": "f.tar.gz", "digest": f"sha256:{OTHER}", "size": 9},
        {"name": "f.zip", "digest": f"sha256:{SHA}", "size": 7},
        {"name": "old.zip", "digest": None, "size": 5},
    ],
}
ASSET = ("assets", Where("name", "f.zip"), "digest")


def test_an_asset_of_a_release() -> None:
    found = ask(look(ASSET, extra=(("release_name", ("name",)),)), RELEASE, 7)
    assert (found.digest.text, found.size) == (f"sha256:{SHA}", 7)
    assert found.learned == {"release_name": "Version 1"}
    with pytest.raises(DigestNotFound, match="another size"):
        ask(look(ASSET), RELEASE, 8)
    with pytest.raises(DigestNotFound, match="without a digest"):
        ask(look(("assets", Where("name", "old.zip"), "digest")), RELEASE)
    with pytest.raises(DigestNotFound, match="no digest of this file"):
        ask(look(("assets", Where("name", "F.ZIP"), "digest")), RELEASE)


@pytest.mark.parametrize(
    ("path", "algorithm", "document"),
    [
        (("files", Where("filename", "f.zip"), "hashes", "sha256"), "sha256",
         {"files": [{"filename": "f.zip", "hashes": {"sha256": SHA}}]}),
        ((0, "lfs", "oid"), "sha256", [{"lfs": {"oid": SHA, "size": 4}}]),
        (("**", "files", Where("url", "https://example.org/f.zip"), "sha256"), "sha256",
         {"1.0": {"stable": True, "files": [{"url": "https://example.org/f.zip", "sha256": SHA}]}}),
        (("**", "files", Where("url", "/f.zip", True), "hash"), "sha256",
         [{"r": {"files": [{"url": "https://example.org/a/f.zip", "hash": SHA}]}}]),
        ((("packages", "packages.conda"), "f.zip", "sha256"), "sha256", {"packages.conda": {"f.zip": {"sha256": SHA}}}),
        (("jobs", "*", "files", "f.zip", "sha256"), "sha256", {"jobs": {"a": {"files": {"f.zip": {"sha256": SHA}}}}}),
        (("sri", "f.zip"), "sha512", {"sri": {"f.zip": SRI}}),
        (("dist", "integrity"), "sha512", {"dist": {"integrity": f"sha1-{'A' * 27}= {SRI}"}}),
        (("hash",), "sha256", {"hash": base64.b64encode(bytes.fromhex(SHA)).decode()}),
        (("checksum",), "md5", {"checksum": "sha256:" + SHA}),
    ],
)  # fmt: skip
def test_places_and_encodings(path: tuple[Any, ...], algorithm: str, document: Any) -> None:
    assert ask(look(path, algorithm), document).digest.value in (bytes.fromhex(SHA), SHA512)


def test_two_different_digests_are_none() -> None:
    document = {"files": [{"name": "f.zip", "sha": SHA}, {"name": "f.zip", "sha": OTHER}]}
    with pytest.raises(DigestNotFound, match="twice"):
        ask(look(("files", Where("name", "f.zip"), "sha")), document)


def test_a_second_place_in_the_same_answer() -> None:
    step = look(("dist", "integrity"), "sha512", fallback=(("dist", "shasum"), "sha1"))
    assert ask(step, {"dist": {"shasum": "ab" * 20}}).digest.algorithm == "sha1"
    assert ask(step, {"dist": {"integrity": SRI, "shasum": "ab" * 20}}).digest.algorithm == "sha512"


def test_an_answer_about_another_file_is_refused() -> None:
    step = look(("sha",), confirm=(("gem_uri",), "/f.zip"))
    assert ask(step, {"sha": SHA, "gem_uri": "https://example.org/gems/f.zip"}).digest.hex == SHA
    for uri in ("https://example.org/gems/g.zip", 7, None):
        with pytest.raises(DigestNotFound, match="another file"):
            ask(step, {"sha": SHA, "gem_uri": uri})


def test_a_second_document() -> None:
    first = look(("packageHash",), "sha512", follow=("catalogEntry",), size_path=("packageSize",))
    step = next_step(first, OK, b'{"catalogEntry": "https://api.example.org/leaf.json"}')
    assert isinstance(step, Step)
    assert (step.url, step.follow) == ("https://api.example.org/leaf.json", ())
    leaf = {"packageHash": base64.b64encode(SHA512).decode(), "packageHashAlgorithm": "SHA512", "packageSize": 12}
    found = ask(step, leaf)
    assert (found.digest.value, found.size) == (SHA512, 12)
    for url in ("http://api.example.org/leaf.json", "/leaf.json", 5):
        with pytest.raises(DigestNotFound, match="nowhere"):
            next_step(first, OK, json.dumps({"catalogEntry": url}).encode())


def test_the_files_of_a_large_release_come_in_pages() -> None:
    filler = [{"name": str(number), "digest": None} for number in range(100)]
    document = {"assets": filler[:30], "assets_url": "https://api.example.org/r/7/assets"}
    step = next_step(look(ASSET), OK, json.dumps(document).encode())
    assert isinstance(step, Step)
    assert step.url == "https://api.example.org/r/7/assets?per_page=100&page=1"
    step = next_step(step, OK, json.dumps(filler).encode())
    assert isinstance(step, Step)
    assert step.url.endswith("&page=2")
    assert ask(step, RELEASE["assets"]).digest.hex == SHA
    with pytest.raises(DigestNotFound):
        next_step(step, OK, json.dumps(filler[:99]).encode())
    for _ in range(20):
        try:
            following = next_step(step, OK, json.dumps(filler).encode())
        except DigestNotFound:
            break
        assert isinstance(following, Step)
        step = following
    assert step.page == 10


def test_an_index_of_lines() -> None:
    step = Step("index", "https://index.example.org/se/rd/serde", "sha256", (Where("vers", "1.0.1"), "cksum"))
    lines = [{"name": "serde", "vers": vers, "cksum": sha} for vers, sha in (("1.0.10", OTHER), ("1.0.1", SHA))]
    body = "\n".join(json.dumps(line) for line in lines).encode()
    found = next_step(step, OK, body)
    assert isinstance(found, Found)
    assert found.digest.hex == SHA
    with pytest.raises(DigestNotFound):
        next_step(step, OK, body.replace(b'"1.0.1"', b'"2.0.0"'))
    with pytest.raises(DigestNotFound, match="no JSON"):
        next_step(step, OK, b'{"vers": "1.0.1", ')


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"9" * 10_000,
        b"\xff\xfe",
        b'"\\ud800"',
        b"null",
        b"[]",
        b"NaN",
    ],
)
def test_what_is_no_document(body: bytes) -> None:
    for path in (ASSET, ("**", "x"), ("*", "*"), (0, "a")):
        with pytest.raises(DigestNotFound):
            next_step(look(path), OK, body)


def test_paths_into_wide_and_deep_documents_are_bounded() -> None:
    deep: Any = SHA
    for _ in range(900):
        deep = {"a": deep}
    assert select(deep, ("**", "b")) == []
    with pytest.raises(DigestNotFound, match="too large"):
        select([[0] * 2000] * 2000, ("*", "*"))
    with pytest.raises(DigestNotFound, match="too large"):
        select([[[[]] * 100] * 200] * 200, ("**", "**"))


def test_the_mappers_look_is_understood() -> None:
    mapped = DigestLook(
        "rule/place", "json_api", "https://api.example.org/r", "sha512", "sri", ("dist", "integrity"),
        {"file": "f.zip"}, "f.zip", "", accept="application/x+json", fallback=Field(("dist", "shasum"), "sha1", "hex"),
        confirm=(("name",), "f"), size_path=("size",), follow=("next",), extra=(("n", ("name",)),),
        alternatives=("https://api.example.org/s",),
    )  # fmt: skip
    step = step_of(mapped)
    assert (step.fallback, step.confirm, step.follow) == ((("dist", "shasum"), "sha1"), (("name",), "f"), ("next",))
    assert dict(question_for(mapped).headers)["Accept"] == "application/x+json"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"kind": "none"}, "no digest"), ({"kind": "signature_only"}, "signature"), ({"kind": "magic"}, "no such kind"),
        ({"url": "http://api.example.org/"}, "https"), ({"method": "POST"}, "POST"),
        ({"algorithm": "git-blob-sha1"}, "git"), ({"algorithm": "go-h1"}, "archive"),
    ],
)  # fmt: skip
def test_what_is_not_asked(changes: dict[str, str], why: str) -> None:
    fields: dict[str, Any] = {"kind": "json_api", "url": "https://api.example.org/", "algorithm": "sha256", **changes}
    with pytest.raises(DigestNotFound, match=why):
        question_for(Step(**fields))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([SHA, f"sha256:{OTHER}", SRI, "f.zip", "", "sha256:"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "digest", "assets", "size", "assets_url"]), inner, max_size=4)
    ),
    max_leaves=25,
)
STEPS = st.sampled_from(
    ["assets", "digest", "*", "**", 0, 3, -1, ("name", "digest"), Where("name", "f.zip"), Where("name", "", True)]
)


@given(VALUES, st.lists(STEPS, max_size=4))
def test_no_document_raises_anything_else(document: Any, path: list[Any]) -> None:
    try:
        result = next_step(look(tuple(path)), OK, json.dumps(document).encode())
    except DigestNotFound:
        return
    assert isinstance(result, (Found, Step))


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    with pytest.raises(DigestNotFound):
        next_step(look(ASSET), OK, body)

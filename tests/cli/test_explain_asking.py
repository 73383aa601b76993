"""`explain` asks the origin and the publisher: what their answers change."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from explained import CASES, FILE, HELM, NAME, RULES, SHA, Say, allowed, by_host, whole
from fastdl.__main__ import main

pytestmark = pytest.mark.usefixtures("config")


# --- asking ----------------------------------------------------------------------------------------------


def test_the_origin_and_its_digest(config: Path, origin: Any, say: Say) -> None:
    config.write_text(RULES, encoding="utf-8")
    sums = "/releases/1.2/SHA256SUMS"
    server, options = origin({"/releases/1.2/tool.tgz": whole(), sums: ("200 OK", f"{SHA}  tool.tgz\n".encode())})
    told = say(*options, NAME)
    assert told["digest"] == {"algorithm": "sha256", "value": SHA, "source": "origin", "status": "known"}
    assert allowed(told) == [
        "tools.example.org",
        "twin.tools.example.org",
        "berlin.example.com",
        "oslo.example.com",
    ]
    plan = told["plan"]
    assert plan["digest_url"] == f"https://tools.example.org{sums}"
    assert (plan["size"], plan["ranges"], plan["etag"]) == (len(FILE), True, '"one"')
    assert (plan["final_url"], plan["path"]) == (NAME, "tool.tgz")
    assert [entry.request.target for entry in server.log] == ["/releases/1.2/tool.tgz", sums]
    assert {entry.request.method for entry in server.log} == {"GET"}


def test_with_the_users_digest_no_publisher_is_asked(config: Path, origin: Any, say: Say) -> None:
    config.write_text(RULES, encoding="utf-8")
    server, options = origin({"/releases/1.2/tool.tgz": whole()})
    told = say(*options, "--checksum", f"sha256:{SHA}", NAME)
    assert told["digest"]["source"] == "user"
    assert [entry.request.target for entry in server.log] == ["/releases/1.2/tool.tgz"]


def test_no_publisher_has_one(config: Path, origin: Any, say: Say) -> None:
    config.write_text(RULES, encoding="utf-8")
    _, options = origin({"/releases/1.2/tool.tgz": whole()})
    told = say(*options, NAME)
    assert told["digest"] == {"algorithm": None, "value": None, "source": None, "status": "none"}
    assert told["plan"]["digest_tried"] == [
        {"url": "https://tools.example.org/releases/1.2/SHA256SUMS", "why": "it answered 404"}
    ]
    assert by_host(told)["berlin.example.com"]["why"] == "no digest of the publisher is known"


def test_the_origins_own_answer_may_hold_the_digest(config: Path, origin: Any, say: Say) -> None:
    import base64

    config.write_text(RULES, encoding="utf-8")
    value = base64.b64encode(bytes.fromhex(SHA)).decode()
    _, options = origin({"/releases/1.2/tool.tgz": whole(f"\r\nRepr-Digest: sha-256=:{value}:")})
    told = say(*options, NAME)
    assert (told["digest"]["value"], told["digest"]["source"]) == (SHA, "origin")
    assert "berlin.example.com" in allowed(told)
    told = say(*options, "--insecure", NAME)
    assert told["digest"]["value"] == SHA
    assert "berlin.example.com" not in allowed(told), "nobody vouches for this digest"


def test_a_private_request_asks_the_origin_alone(config: Path, origin: Any, say: Say) -> None:
    config.write_text(RULES, encoding="utf-8")
    server, options = origin({"/releases/1.2/tool.tgz": whole()})
    told = say(*options, "-H", "X-Token: hunter2", NAME)
    assert len(told["sources"]) == 1
    assert [entry.request.target for entry in server.log] == ["/releases/1.2/tool.tgz"]
    assert server.log[0].request.get("x-token") == "hunter2"
    assert "hunter2" not in json.dumps(told)


@pytest.mark.parametrize(("status", "code"), [("404 Not Found", 4), ("", 3)])
def test_an_origin_that_does_not_answer_is_explained_too(
    status: str, code: int, config: Path, origin: Any, say: Say, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(RULES, encoding="utf-8")
    _, options = origin({"/releases/1.2/tool.tgz": (status, b"")})
    if not status:
        options = ["--no-proxy", "--connect-to", ":443:127.0.0.1:1"]
    told = say(*options, NAME)
    assert told["rule"] == "tools/match-1"
    assert told["plan"]["exit_code"] == code
    assert told["plan"]["error"]
    assert told["plan"]["size"] is None
    assert told["digest"]["status"] == ("none" if status else "unreachable")
    assert main(["explain", *options, NAME]) == 0
    assert "error: " in capsys.readouterr().out


def test_a_dry_run_says_what_get_does(
    config: Path, origin: Any, say: Say, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config.write_text(RULES, encoding="utf-8")
    sums = ("200 OK", f"{SHA}  tool.tgz\n".encode())
    server, options = origin({"/releases/1.2/tool.tgz": whole(), "/releases/1.2/SHA256SUMS": sums})
    assert main(["get", "--dry-run", "--json", *options, "-d", str(tmp_path), NAME]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rule"], told["digest"]["value"]) == ("tools/match-1", SHA)
    assert allowed(told)[2:] == ["berlin.example.com", "oslo.example.com"]
    assert len(told["sources"]) == 5
    assert [entry.request.target for entry in server.log] == ["/releases/1.2/tool.tgz", "/releases/1.2/SHA256SUMS"]
    assert not (tmp_path / "tool.tgz").exists()
    told["plan"]["path"] = "tool.tgz"
    assert say(*options, NAME) == told


def test_a_dry_run_of_a_file_that_cannot_be_had_fails(origin: Any, capsys: pytest.CaptureFixture[str]) -> None:
    server, options = origin({})
    assert main(["get", "--dry-run", "--json", *options, NAME]) == 4
    assert "404" in capsys.readouterr().err
    assert len(server.log) == 1


# --- several digests -------------------------------------------------------------------------------------

MD5 = hashlib.md5(FILE).hexdigest()


def test_a_weak_checksum_hides_no_strong_digest(config: Path, origin: Any, say: Say, offline: Say) -> None:
    config.write_text(RULES, encoding="utf-8")
    sums = ("200 OK", f"{SHA}  tool.tgz\n".encode())
    _, options = origin({"/releases/1.2/tool.tgz": whole(), "/releases/1.2/SHA256SUMS": sums})
    told = say(*options, "--checksum", f"md5:{MD5}", NAME)
    assert (told["digest"]["value"], told["digest"]["source"]) == (SHA, "origin")
    assert told["plan"]["check"] == "md5 given with --checksum; sha256 published by the origin"
    assert "berlin.example.com" in allowed(told)
    case = next(case for case in CASES["mapped"] if "value" in (case.get("digest") or {}) and case.get("sources"))
    told = offline("--checksum", f"md5:{MD5}", case["url"])
    assert told["digest"]["source"] == "url"
    assert len(allowed(told)) > 1
    assert "md5 given with --checksum; " in told["plan"]["check"]


def test_a_weak_checksum_alone_waits_for_the_publishers(offline: Say) -> None:
    told = offline("--checksum", f"md5:{MD5}", HELM)
    assert (told["digest"]["source"], told["digest"]["status"]) == ("user", "known")
    assert told["plan"]["digest_why"] == "md5 is too weak to let other sources help"
    assert told["sources"][1]["why"] == "waits for the publisher's digest"


def test_both_of_two_strong_digests_are_checked(offline: Say) -> None:
    case = next(case for case in CASES["mapped"] if "value" in (case.get("digest") or {}))
    told = offline("--checksum", f"sha512:{'0' * 128}", case["url"])
    assert told["digest"]["source"] == "user"
    assert told["plan"]["check"].startswith("sha512 given with --checksum; ")
    assert told["plan"]["check"].endswith(" that stands in the URL")


def test_without_verified_tls_no_published_digest_helps(config: Path, origin: Any, say: Say, offline: Say) -> None:
    config.write_text(RULES, encoding="utf-8")
    sums = ("200 OK", f"{SHA}  tool.tgz\n".encode())
    _, options = origin({"/releases/1.2/tool.tgz": whole(), "/releases/1.2/SHA256SUMS": sums})
    told = say(*options, "--insecure", NAME)
    assert told["digest"]["value"] == SHA
    assert told["plan"]["check"] == "sha256 published by the origin, for which nobody vouches"
    assert "without verified TLS" in told["plan"]["digest_why"]
    for one in (told, offline("--insecure", NAME)):
        assert "--insecure" in by_host(one)["berlin.example.com"]["why"]
        assert "berlin.example.com" not in allowed(one)
        assert "stranger" in by_host(one)["stranger.example.net"]["host"]
        assert "--insecure" not in by_host(one)["stranger.example.net"]["why"]


# --- sources that the origin's own answer names ----------------------------------------------------------


def linked(*links: str, digest: bool = True) -> tuple[str, bytes]:
    import base64

    value = base64.b64encode(bytes.fromhex(SHA)).decode()
    fields = [f"Repr-Digest: sha-256=:{value}:"] if digest else []
    fields += [f"Link: {link}" for link in links]
    return whole("".join(f"\r\n{field}" for field in fields))


DUPLICATES = (
    '<https://second.example.net/t>; rel=duplicate; pri=2; geo="no"',
    "<https://first.example.net/t>; rel=duplicate; pri=1",
    "<http://plain.example.net/t>; rel=duplicate",
)


def test_duplicates_of_the_origins_answer_are_official(origin: Any, say: Say) -> None:
    _, options = origin({"/releases/1.2/tool.tgz": linked(*DUPLICATES)})
    told = say(*options, NAME)
    found = by_host(told)
    assert allowed(told) == ["tools.example.org", "first.example.net", "second.example.net"]
    assert found["second.example.net"]["trust"] == "official"
    assert found["second.example.net"]["region"] == "no"
    assert found["second.example.net"]["why"] == "named by the publisher; its bytes are checked by sha256"


@pytest.mark.parametrize("args", [["--insecure"], ["--no-cdn"], ["-H", "X-Token: hunter2"]])
def test_duplicates_are_left_alone(args: list[str], origin: Any, say: Say) -> None:
    _, options = origin({"/releases/1.2/tool.tgz": linked(*DUPLICATES)})
    assert allowed(say(*options, *args, NAME)) == ["tools.example.org"]


def test_duplicates_without_a_digest_are_no_sources(origin: Any, say: Say) -> None:
    _, options = origin({"/releases/1.2/tool.tgz": linked(*DUPLICATES, digest=False)})
    assert allowed(say(*options, NAME)) == ["tools.example.org"]


def test_a_metalink_that_the_origin_names_is_read(origin: Any, say: Say) -> None:
    link = "<https://tools.example.org/t.meta4>; rel=describedby; type=application/metalink4+xml"
    metalink = f"""<?xml version="1.0"?><metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="tool.tgz">
        <size>{len(FILE)}</size><hash type="sha-256">{SHA}</hash>
        <pieces length="8192" type="sha-1"><hash>{"0" * 40}</hash><hash>{"0" * 40}</hash></pieces>
        <url location="de">https://listed.example.net/tool.tgz</url></file></metalink>"""
    pages = {"/releases/1.2/tool.tgz": linked(link, digest=False), "/t.meta4": ("200 OK", metalink.encode())}
    _, options = origin(pages)
    told = say(*options, NAME)
    assert (told["digest"]["value"], told["digest"]["source"]) == (SHA, "metalink")
    assert allowed(told) == ["tools.example.org", "listed.example.net"]
    assert "Pieces of 8.0 KiB are checked as they arrive: the Metalink has their digests." in told["plan"]["steps"]

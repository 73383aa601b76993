"""Each program is called so that it fetches the right URL into the right file and trusts the right authority."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benches import peers
from benches.peers import Job, Peer

JOB = Job("https://127.0.0.1:8443/file.bin", Path("/place/out"), Path("/place/ca.pem"))


@pytest.mark.parametrize("peer", peers.ALL, ids=lambda peer: peer.name)
def test_a_command_names_url_target_and_authority(peer: Peer) -> None:
    command = peer.command(JOB)
    joined = " ".join(command)
    assert command[: len(peer.base)] == list(peer.base)
    assert command[-1] == JOB.url
    assert str(JOB.cacert) in joined
    assert str(JOB.target.parent) in joined
    assert JOB.target.name in joined


@pytest.mark.parametrize("peer", peers.ALL, ids=lambda peer: peer.name)
def test_without_tls_no_authority_is_named(peer: Peer) -> None:
    assert not any("ca" in part and "cert" in part for part in peer.command(Job("http://127.0.0.1/f", Path("/p/out"))))


def test_aria2_really_uses_its_eight_connections() -> None:
    # -x alone allows eight for one server, and -s, five by default, is what is used.
    command = next(peer for peer in peers.ALL if peer.name == "aria2c -x8").command(JOB)
    assert {"-x8", "-s8"} <= set(command)


def test_what_is_not_installed_is_left_out_unless_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: name if name in (sys.executable, "curl") else None)
    assert [peer.name for peer in peers.find()] == ["fastdl", "fastdl --no-durable", "curl"]
    with pytest.raises(LookupError, match="aria2c is not installed"):
        peers.find(["curl", "aria2c"])


def test_tools_are_chosen_by_name_or_program_in_the_usual_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: name)
    assert [peer.name for peer in peers.find(["curl", "fastdl"])] == ["fastdl", "fastdl --no-durable", "curl"]
    assert [peer.name for peer in peers.find(["fastdl --no-durable"])] == ["fastdl --no-durable"]
    with pytest.raises(LookupError, match="no tool is called 'axel'"):
        peers.find(["axel"])

"""Each program is called so that it fetches the right URL into the right file and trusts the right authority."""

from __future__ import annotations

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


def test_a_peer_is_found_by_its_whole_name() -> None:
    assert [peers.peer_of(peer.name) for peer in peers.ALL] == list(peers.ALL)
    with pytest.raises(LookupError, match="no tool is called 'axel'; there are fastdl"):
        peers.peer_of("axel")

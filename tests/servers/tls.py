"""Certificates for loopback servers, made by trustme once per process: an authority, a server's certificate, and one
for each host name that a test plays."""

from __future__ import annotations

import socket
import ssl
import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """PEM files in `folder`: `ca` (the authority), `cert` (chain with key), `key`."""

    folder: Path
    _named: dict[str, ssl.SSLContext] = field(default_factory=dict, compare=False)

    @cached_property
    def _authority(self) -> trustme.CA:
        return trustme.CA()

    @cached_property
    def _leaf(self) -> trustme.LeafCert:
        return self._authority.issue_cert("localhost", "127.0.0.1", "::1", "origin.test", "other.test")

    @cached_property
    def ca(self) -> Path:
        """The authority's certificate: what --cacert wants."""
        path = self.folder / "ca.pem"
        self._authority.cert_pem.write_to_path(str(path))
        return path

    @cached_property
    def chain(self) -> Path:
        """The server's key and certificate in one file (haproxy's way)."""
        path = self.folder / "server.pem"
        self._leaf.private_key_and_cert_chain_pem.write_to_path(str(path))
        return path

    @cached_property
    def cert(self) -> Path:
        """The server's certificate alone."""
        path = self.folder / "cert.pem"
        path.write_bytes(b"".join(blob.bytes() for blob in self._leaf.cert_chain_pems))
        return path

    @cached_property
    def key(self) -> Path:
        """The server's key alone."""
        path = self.folder / "key.pem"
        self._leaf.private_key_pem.write_to_path(str(path))
        path.chmod(0o600)
        return path

    def context(self) -> ssl.SSLContext:
        """For RawServer(tls=...)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._leaf.configure_cert(context)
        return context

    def pair(
        self, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ) -> tuple[ssl.SSLSocket, ssl.SSLSocket, socket.socket]:
        """A client's and a server's end of one TLS connection, and the plain socket that the server's end wraps."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.maximum_version = version
        near, far = socket.socketpair()
        near.settimeout(10)
        far.settimeout(10)
        ends: list[ssl.SSLSocket] = []
        thread = threading.Thread(
            target=lambda: ends.append(self.context().wrap_socket(far, server_side=True)), daemon=True
        )
        thread.start()
        client = context.wrap_socket(near, server_hostname="localhost", suppress_ragged_eofs=False)
        thread.join(10)
        return client, ends[0], far

    def context_for(self, host: str) -> ssl.SSLContext:
        """For a server that is `host` and nobody else."""
        if host not in self._named:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._authority.issue_cert(host).configure_cert(context)
            self._named[host] = context
        return self._named[host]

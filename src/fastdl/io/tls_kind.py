"""Whether a socket or a fault of one is of TLS, without importing ssl for plain HTTP (5 ms, and several MB).

Where there is a TLS socket, somebody has imported ssl already; where nobody has, nothing is of TLS.
"""

from __future__ import annotations

import sys

from fastdl.core.hints import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    import ssl

    from fastdl.core.hints import TypeGuard


def is_tls(sock: socket.socket) -> TypeGuard[ssl.SSLSocket]:
    """True for a socket that speaks TLS."""
    kind = _of_ssl("SSLSocket")
    return kind is not None and isinstance(sock, kind)


def is_fault(error: OSError, name: str = "SSLError") -> TypeGuard[ssl.SSLError]:
    """True for the exception of ssl with this name, or a kind of it."""
    kind = _of_ssl(name)
    return kind is not None and isinstance(error, kind)


def _of_ssl(name: str) -> type | None:
    """A class of ssl; None where nobody has imported it, or another thread is just doing so."""
    return getattr(sys.modules.get("ssl"), name, None)

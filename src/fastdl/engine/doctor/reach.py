"""Which addresses of a host take a connection, the two families apart.

A download races the families and goes on with the first that answers, so an IPv6 that leads nowhere is not seen: it
costs a quarter of a second at every connection, and time-outs where nothing else is left.
"""

from __future__ import annotations

import threading
import time

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.record import Record
from fastdl.engine.doctor.finding import INFO, OK, WRONG, Finding
from fastdl.errors import FastdlError, TimedOut
from fastdl.settings import Settings

if TYPE_CHECKING:
    from fastdl.engine.doctor.finding import Tell
    from fastdl.io.dial import Dialer

MOST = 2  # addresses of a family


class Tried(Record):
    """One address. `seconds`: how long the connect took, None where it failed, because of `why`; `silent`: nobody
    answered at all."""

    address: str
    seconds: float | None
    why: str = ""
    silent: bool = False


def reach(dialer: Dialer, host: str, port: int, addresses: list[str], settings: Settings, tell: Tell) -> bool:
    """Try the addresses of both families, and tell of each family. Whether one of them can be reached."""
    families = {4: [a for a in addresses if ":" not in a][:MOST], 6: [a for a in addresses if ":" in a][:MOST]}
    tried = _try_all(dialer, port, [*families[4], *families[6]], settings.connect_timeout)
    results = {family: [tried[address] for address in listed] for family, listed in families.items()}
    works = {family: any(one.seconds is not None for one in results[family]) for family in (4, 6)}
    for family in (4, 6):
        finding = _judged(family, host, port, results[family], works[10 - family], settings)
        if finding is not None:
            tell(finding)
    return works[4] or works[6]


def _try_all(dialer: Dialer, port: int, addresses: list[str], timeout: float) -> dict[str, Tried]:
    """All at once: the slow ones must not hold up the others."""
    found: dict[str, Tried] = {}

    def attempt(address: str) -> None:
        found[address] = _try(dialer, address, port, timeout)

    threads = [threading.Thread(target=attempt, args=(address,), daemon=True) for address in addresses]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + timeout + 1.0
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return {address: found.get(address, Tried(address, None, "no answer", True)) for address in addresses}


def _try(dialer: Dialer, address: str, port: int, timeout: float) -> Tried:
    try:
        sock, seconds, _ = dialer.connect(address, port, timeout=timeout, mapped=False)
    except FastdlError as error:
        return Tried(address, None, error.why or error.what, isinstance(error, TimedOut))
    sock.close()
    return Tried(address, seconds)


def _judged(
    family: int, host: str, port: int, tried: list[Tried], other_works: bool, settings: Settings
) -> Finding | None:
    check, name = f"ipv{family}", f"IPv{family}"
    if not tried:
        if settings.family not in (None, family):
            return Finding(check, INFO, f"switched off by -{settings.family}")
        return Finding(check, INFO, f"{host} has no {name} address") if other_works else None
    good = [one for one in tried if one.seconds is not None]
    if len(good) == len(tried):
        times = ", ".join(f"{one.address} in {1000 * (one.seconds or 0):.0f} ms" for one in good)
        return Finding(check, OK, times)
    failed = next(one for one in tried if one.seconds is None)
    text = f"{failed.address} port {port}: {failed.why.removeprefix(failed.address + ': ')}"
    if good:
        return Finding(check, INFO, f"{good[0].address} works, {text}")
    if other_works:
        return _one_sided(family, text, failed)
    return Finding(check, WRONG, text, _advice(failed, port))


def _one_sided(family: int, text: str, failed: Tried) -> Finding:
    """This family fails while the other one works. Where the machine has no address of it, or the host refuses, that
    costs nothing: the answer comes at once."""
    name, other = f"IPv{family}", 4 if family == 6 else 6
    if "refused" in failed.why:
        return Finding(f"ipv{family}", INFO, f"{text}; IPv{other} works")
    if not failed.silent and not has_address(family):
        return Finding(f"ipv{family}", INFO, f"this machine has no {name}; IPv{other} works")
    advice = f"Use -{other} or set FASTDL_IPV{other}=1 ('fastdl config set ipv{other} true') until {name} is mended."
    return Finding(f"ipv{family}", WRONG, f"{text}; IPv{other} works", advice)


def _advice(failed: Tried, port: int) -> str:
    if "refused" in failed.why:
        return f"Nothing listens on port {port} there, or a firewall refuses: check host and port."
    if failed.silent:
        return "A firewall may swallow the connection, or a proxy is needed: --proxy, or set https_proxy."
    return "Check cable, Wi-Fi and VPN; --interface names another way out."


def has_address(family: int) -> bool:
    """Whether the machine has an address of the family that leads out of its own network."""
    import ipaddress
    import socket

    import psutil

    wanted = socket.AF_INET6 if family == 6 else socket.AF_INET
    local = ipaddress.ip_network("fc00::/7")  # of one site alone (RFC 4193)
    for entries in psutil.net_if_addrs().values():
        for entry in entries:
            if entry.family != wanted:
                continue
            try:
                address = ipaddress.ip_address(entry.address.partition("%")[0])
            except ValueError:
                continue
            if not (address.is_loopback or address.is_link_local or address in local):
                return True
    return False

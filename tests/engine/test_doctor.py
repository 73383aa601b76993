"""The checks of `fastdl doctor` for what is not broken by a server: names, address families, disks, terminals."""

from __future__ import annotations

import errno
import json
import shutil
import socket
import subprocess
import sys
import threading
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from disks import ENVIRONMENT
from doctors_view import answers, found_on
from doctors_view import no_proxies as no_proxies
from fastdl.engine.doctor import machine, reach, setup, way
from fastdl.engine.doctor.finding import Check, Finding, run_all
from fastdl.errors import NetworkError, UsageError
from fastdl.io.dial import Dialer
from fastdl.io.dns import Address, Resolver
from fastdl.settings import Settings
from fastdl.ui.doctored import report
from servers.files import FileApp
from servers.raw import Serve


def refuses(code: int) -> Any:
    """A resolver that fails."""

    def lookup(*asked: Any, **more: Any) -> list[Any]:
        raise socket.gaierror(code, "no")

    return lookup


# --- names -----------------------------------------------------------------------------------------------


def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way, "name_servers", lambda path: ["192.0.2.1"])
    told = found_on("http://host.example/", refuses(socket.EAI_NONAME))
    assert set(told) == {"proxy", "dns"}
    assert told["dns"].status == "wrong"
    assert "DNS knows no such host" in told["dns"].text
    assert told["dns"].advice.startswith("Check the spelling of host.example")
    told = found_on("http://host.example/", refuses(socket.EAI_NONAME), given=False)
    assert "network connection" in told["dns"].advice, "nobody has spelled that one"


def test_a_resolver_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    servers = ["192.0.2.1", "192.0.2.2"]
    monkeypatch.setattr(way, "name_servers", lambda path: servers)
    told = found_on("http://host.example/", refuses(socket.EAI_AGAIN))
    assert "DNS does not answer" in told["dns"].text
    assert "(192.0.2.1, 192.0.2.2)" in told["dns"].advice
    servers.clear()
    assert "names no server" in found_on("http://host.example/", refuses(socket.EAI_AGAIN))["dns"].advice


def test_name_servers(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    assert way.name_servers(str(path)) is None
    path.write_text("# nameserver 192.0.2.9\nsearch example.org\nnameserver 192.0.2.1\nnameserver\n")
    assert way.name_servers(str(path)) == ["192.0.2.1"]


def test_a_resolver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()
    monkeypatch.setattr(way, "STEP", 0.2)
    try:
        told = found_on("http://host.example/", lambda *asked, **more: free.wait(20) and [])
        assert "no answer from DNS within 0.2 s" in told["dns"].text
    finally:
        free.set()


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_a_filter_that_answers_nonsense(address: str) -> None:
    told = found_on("http://host.example/", answers(address))
    assert told["dns"].status == "wrong"
    assert "filter" in told["dns"].advice


# --- address families ------------------------------------------------------------------------------------


def dialer(failure: int, broken: int) -> Dialer:
    """A dialer with which one family fails at once; the other one finds this machine."""
    real = Dialer(Settings(), Resolver())

    def start(address: Address) -> socket.socket:
        if (6 if address.family == socket.AF_INET6 else 4) == broken:
            raise OSError(failure, "no")
        return real._begin(Address(socket.AF_INET, "127.0.0.1", address.port))

    return Dialer(Settings(), Resolver(), start=start)


def judged(failure: int, broken: int, *, has: bool, monkeypatch: pytest.MonkeyPatch, port: int) -> dict[str, Finding]:
    told: list[Finding] = []
    monkeypatch.setattr(reach, "has_address", lambda family: has)
    addresses = ["192.0.2.7", "2001:db8::7"]
    assert reach.reach(
        dialer(failure, broken), "host.example", port, addresses, Settings(connect_timeout=2), told.append
    )
    return {finding.check: finding for finding in told}


@pytest.mark.parametrize("code", [errno.ENETUNREACH, errno.EHOSTUNREACH])
@pytest.mark.parametrize(("broken", "works"), [(6, 4), (4, 6)])
def test_a_family_without_a_way(
    code: int, broken: int, works: int, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = serve(FileApp()).port
    told = judged(code, broken, has=True, monkeypatch=monkeypatch, port=port)
    assert told[f"ipv{works}"].status == "ok"
    finding = told[f"ipv{broken}"]
    assert finding.status == "wrong"
    assert f"unreachable; IPv{works} works" in finding.text
    assert f"Use -{works} or set FASTDL_IPV{works}=1" in finding.advice
    told = judged(code, broken, has=False, monkeypatch=monkeypatch, port=port)
    assert told[f"ipv{broken}"] == Finding(f"ipv{broken}", "info", f"this machine has no IPv{broken}; IPv{works} works")
    told = judged(errno.ECONNREFUSED, broken, has=True, monkeypatch=monkeypatch, port=port)
    assert told[f"ipv{broken}"].status == "info", "the server does not listen there: that costs nothing"


def test_no_family_works(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Finding] = []
    broken = Dialer(Settings(), Resolver(), start=fail)
    addresses = ["192.0.2.7", "2001:db8::7"]
    assert not reach.reach(broken, "host.example", 80, addresses, Settings(connect_timeout=2), told.append)
    assert [(one.check, one.status) for one in told] == [("ipv4", "wrong"), ("ipv6", "wrong")]
    assert all("network unreachable" in one.text and "Wi-Fi" in one.advice for one in told)


def fail(address: Address) -> socket.socket:
    raise OSError(errno.ENETUNREACH, "no")


def test_one_family_is_switched_off(serve: Serve) -> None:
    told = found_on(serve(FileApp()).url(), answers(), family=4)
    assert told["ipv6"] == Finding("ipv6", "info", "switched off by -4")
    assert told["ipv4"].status == "ok"
    assert told["http"].status == "ok"


def namespaces() -> str | None:
    if sys.platform != "linux" or not shutil.which("unshare") or not shutil.which("ip"):
        return "needs Linux, unshare and ip"
    script = "ip link set lo up && ip link add d0 type veth peer name d1 && ip -6 addr add 2001:db8::5/64 dev d0"
    tried = subprocess.run(["unshare", "-n", "sh", "-c", script], capture_output=True, check=False)
    return None if tried.returncode == 0 else "this machine lets nobody make a network"


@pytest.mark.skipif(namespaces() is not None, reason=namespaces() or "")
@pytest.mark.parametrize("leads", ["nowhere", "into silence"])
def test_a_real_ipv6_that_leads_nowhere(leads: str) -> None:
    """A network of its own: an address of IPv6, and no route to the host; or a route, and nobody answers."""
    code = """
        import json, socket
        from fastdl.core.urls import parse_url
        from fastdl.engine.doctor import disks, way
        from fastdl.io.dns import Resolver
        from fastdl.settings import Settings
        server = socket.create_server(("127.0.0.1", 0))
        def lookup(host, port, family=0, *more, **others):
            rows = [(socket.AF_INET6, 1, 6, "", ("2001:db8:1::7", 0, 0, 0))]
            return rows + [(socket.AF_INET, 1, 6, "", ("127.0.0.1", 0))]
        told = []
        url = parse_url(f"http://host.example:{server.getsockname()[1]}/")
        settings = Settings(connect_timeout=2, timeout=0.2)
        errand = way.Errand(settings, url, True, disks.Folder(".", "downloads", "", True))
        way.check_way(errand, told.append, resolver=lambda family: Resolver(family, lookup=lookup))
        print(json.dumps([finding for finding in told if finding.check.startswith("ipv")]))
    """
    import textwrap

    network = "ip link set lo up; ip link add d0 type veth peer name d1; ip link set d0 up; ip link set d1 up; "
    network += "ip -6 addr add 2001:db8::5/64 dev d0 nodad; "
    network += "ip -6 route add default dev d0; " if leads == "into silence" else ""
    command = ["unshare", "-n", "sh", "-c", network + 'exec "$0" -c "$1"', sys.executable, textwrap.dedent(code)]
    ended = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    four, six = json.loads(ended.stdout)
    assert four[:2] == ["ipv4", "ok"]
    assert six[:2] == ["ipv6", "wrong"]
    assert ("no answer within" if leads == "into silence" else "network unreachable") in six[2]
    assert "FASTDL_IPV4=1" in six[3]


# --- the rest --------------------------------------------------------------------------------------------


class Screen(StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError("none")


class Old(Screen):
    encoding = "cp437"  # type: ignore[assignment]


def test_terminals() -> None:
    told: list[Finding] = []
    machine.check_terminal(Screen(), {"TERM": "dumb", "NO_COLOR": "1"}, told.append)
    machine.check_terminal(Old(), {}, told.append)
    machine.check_terminal(StringIO(), {}, told.append)
    machine.check_terminal(None, {}, told.append)
    assert [one.status for one in told] == ["ok", "info", "info", "info"]
    assert "dumb" in told[0].text
    assert "NO_COLOR" in told[0].text
    assert "UTF-8" in told[1].advice
    assert told[2].text == told[3].text


def test_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Finding] = []
    monkeypatch.setattr(machine, "_NEEDED", ("cachetools", "no_such_package_anywhere"))
    machine.check_program(told.append)
    assert told[0].status == "wrong"
    assert "no_such_package_anywhere" in told[0].text


def test_checks_run_within_their_time() -> None:
    free = threading.Event()

    def hang(tell: Any) -> None:
        tell(Finding("dns", "ok", "quick"))
        free.wait(20)

    def refuse(tell: Any) -> None:
        raise NetworkError("no way", "because", "Do it.")

    def denied(tell: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    try:
        told = run_all([Check(("dns", "tls"), hang), Check(("trust",), refuse), Check(("disk",), denied)], 2.0)
    finally:
        free.set()
    assert told == [
        Finding("disk", "info", "cannot be told: permission denied"),
        Finding("trust", "wrong", "no way (because)", "Do it."),
        Finding("dns", "ok", "quick"),
        Finding("tls", "wrong", "no result within 2 s", "Try again; if it stays so, something hangs there."),
    ]


def test_a_fault_of_a_check_is_not_passed_over() -> None:
    def broken(tell: Any) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        run_all([Check(("dns",), broken)], 5.0)


def test_old_places(tmp_path: Path) -> None:
    (tmp_path / ".config" / "fastdl").mkdir(parents=True)
    file = tmp_path / ".config" / "fastdl" / "config.toml"
    file.write_text("")
    environ = {"HOME": str(tmp_path)}
    assert setup._elsewhere(str(file), environ, "linux") == []
    assert setup._elsewhere("/x/config.toml", environ, "darwin") == [str(file)]
    assert setup._elsewhere("/x/config.toml", {**environ, "XDG_CONFIG_HOME": "/x"}, "linux") == [str(file)]
    assert setup._elsewhere("/x/config.toml", {**environ, "FASTDL_CONFIG": "/x"}, "darwin") == []


FINDINGS = [
    Finding("config", "ok", "/home/me/.config/fastdl/config.toml: 2 settings"),
    Finding("ipv6", "wrong", "2001:db8::7 port 443: network unreachable; IPv4 works", "Use -4 or set FASTDL_IPV4=1."),
    Finding(
        "http", "info", "ünïcode 日本語日本語日本語日本語日本語日本語 \x1b[31m and https://me:hunter2@example.org/"
    ),
]


@pytest.mark.parametrize("width", [24, 40, 80, 200])
def test_it_fits_into_the_terminal(width: int) -> None:
    from fastdl.ui.text import columns

    lines = report(FINDINGS, width)
    assert max(columns(line) for line in lines[:-1]) <= max(width, 40 if width >= 40 else 29)
    assert "\x1b" not in "".join(lines)
    assert "hunter2" not in "".join(lines)
    assert lines[-1] == "1 thing is wrong: IPv6."
    words = " ".join(line.strip() for line in lines)
    assert "network unreachable;" in words


def test_without_a_terminal_a_finding_is_a_line() -> None:
    assert report(FINDINGS[:2], None) == [
        "Config    ok: /home/me/.config/fastdl/config.toml: 2 settings",
        "IPv6      WRONG: 2001:db8::7 port 443: network unreachable; IPv4 works",
        "          -> Use -4 or set FASTDL_IPV4=1.",
        "",
        "1 thing is wrong: IPv6.",
    ]


def test_an_interface_that_is_not_there() -> None:
    told = found_on("http://127.0.0.1:9/", answers(), interface="no-such-interface0")
    assert told["config"].status == "wrong"
    with pytest.raises(UsageError):
        Dialer(Settings(interface="no-such-interface0"), Resolver())

"""The same list again: nobody is sent what he has. Requests, bodies and 304s are counted at the server."""

from __future__ import annotations

import os
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from servers.files import Answer, FileApp, site
from servers.raw import RawServer, Serve
from servers.run import LIMIT, Result, Runner

_LATER = "Wed, 03 Jan 2024 03:04:05 GMT"


@dataclass(slots=True)
class Asked:
    """What one run asked for: requests, answers by status, bytes of bodies."""

    result: Result
    statuses: Counter[int]
    body: int

    @property
    def codes(self) -> dict[str, int]:
        return {told["url"].rpartition("/")[2]: told["exit_code"] for told in self.result.json}


class Synced:
    """A server, the list of its files, and runs of it."""

    def __init__(self, fastdl: Runner, serve: Serve, files: dict[str, FileApp], **more: Answer) -> None:
        self.fastdl = fastdl
        self.files = files
        self.server: RawServer = serve(site({path: app.answer for path, app in files.items()} | more))
        self.list = fastdl.home.parent / "list.txt"
        self.write(*files)

    def write(self, *paths: str) -> None:
        self.list.write_text("".join(f"{self.server.url(path)}\n" for path in paths), "utf-8")

    def run(self, *args: str) -> Asked:
        before, sent = len(self.server.log), self.server.body_sent
        result = self.fastdl.get("--no-proxy", "-i", str(self.list), "--json", *args)
        log = self.server.log[before:]
        return Asked(result, Counter(each.status for each in log), self.server.body_sent - sent)

    def path(self, name: str) -> Path:
        return self.fastdl.cwd / name

    def have_all(self) -> None:
        for path, app in self.files.items():
            assert self.path(path[1:]).read_bytes() == app.bytes(), path


def apps(count: int, size: int = 2_000, **more: Any) -> dict[str, FileApp]:
    return {f"/{at:03}.bin": FileApp(size=size + at, seed=at + 1, **more) for at in range(count)}


@pytest.mark.parametrize("validators", [{}, {"etag": None}, {"last_modified": None}, {"etag": 'W/"weak"'}])
@pytest.mark.parametrize("option", ["", "-N"])
def test_an_unchanged_list_costs_no_body(fastdl: Runner, serve: Serve, option: str, validators: dict[str, Any]) -> None:
    synced = Synced(
        fastdl, serve, apps(30, **validators) | {"/large.bin": FileApp(size=700_000, seed=77, **validators)}
    )
    options = [option] if option else []
    assert synced.run(*options).result.code == 0
    for _ in range(2):
        again = synced.run(*options)
        assert again.result.code == 0, again.result.err
        assert again.statuses == {304: 31}
        assert again.body == 0
    synced.have_all()
    assert all(told["path"] and told["size"] for told in again.result.json)


@pytest.mark.parametrize(
    ("validators", "option"),
    [({"last_modified": None}, "--remote-time"), ({"etag": None}, "--no-remote-time"), ({"last_modified": None}, "-N")],
)
def test_an_unchanged_file_is_known_where_the_server_knows_no_conditions(
    fastdl: Runner, serve: Serve, option: str, validators: dict[str, Any]
) -> None:
    files = apps(6, conditional=False, **validators) | {
        "/large.bin": FileApp(700_000, 77, conditional=False, **validators)
    }
    synced = Synced(fastdl, serve, files)
    assert synced.run(option).result.code == 0
    again = synced.run(option)
    assert again.result.code == 0, again.result.err
    assert again.statuses.total() == 7 and 304 not in again.statuses
    synced.have_all()
    synced.path("003.bin").write_bytes(b"x" * files["/003.bin"].size)
    files["/large.bin"].change()
    files["/large.bin"].last_modified = files["/large.bin"].last_modified and _LATER
    last = synced.run(option)
    replaced = 0 if option == "-N" else 7
    assert last.codes == {f"{at:03}.bin": replaced if at == 3 else 0 for at in range(6)} | {"large.bin": replaced}
    if option == "-N":
        synced.have_all()


def test_connections_are_kept_while_nothing_has_changed(fastdl: Runner, serve: Serve) -> None:
    synced = Synced(fastdl, serve, apps(40))
    synced.run()
    again = synced.run("-j", "2")
    assert sum(each["sources"][0]["connections"] for each in again.result.json) <= 2


def test_what_changed_is_replaced_and_what_is_missing_fetched(fastdl: Runner, serve: Serve) -> None:
    synced = Synced(fastdl, serve, apps(20) | {"/large.bin": FileApp(size=700_000, seed=77)})
    assert synced.run("-N").result.code == 0
    for path in ("/003.bin", "/large.bin"):
        synced.files[path].change()
        synced.files[path].last_modified = _LATER
    synced.path("007.bin").unlink()
    again = synced.run("-N")
    assert again.result.code == 0, again.result.err
    assert again.statuses[304] == 18
    assert again.body <= sum(synced.files[path].size for path in ("/003.bin", "/large.bin", "/007.bin"))
    synced.have_all()
    assert synced.run("-N").statuses == {304: 21}


def test_without_n_a_changed_file_is_told_and_stays(fastdl: Runner, serve: Serve) -> None:
    synced = Synced(fastdl, serve, apps(5))
    synced.run()
    was = synced.path("003.bin").read_bytes()
    synced.files["/003.bin"].change()
    synced.files["/003.bin"].last_modified = _LATER
    again = synced.run()
    assert again.codes == {f"{at:03}.bin": 7 if at == 3 else 0 for at in range(5)}
    assert again.result.code == 8
    assert synced.path("003.bin").read_bytes() == was
    assert "--overwrite" in again.result.err


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process there")
def test_what_may_not_be_replaced_is_not_fetched_to_its_end(fastdl: Runner, serve: Serve) -> None:
    """-N was interrupted in the middle of a file, and the next run is without it."""
    app = FileApp(size=900_000)
    synced = Synced(fastdl, serve, {"/000.bin": app})
    synced.run()
    was = synced.path("000.bin").read_bytes()
    app.change()
    app.last_modified, app.rate = _LATER, 8_000.0
    reached = synced.server.alarm(synced.server.body_sent + 100_000)
    with fastdl.start("get", "--no-proxy", "-N", "-i", str(synced.list)) as process:
        assert reached.wait(LIMIT)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LIMIT)
    partial = {"000.bin", "000.bin.fastdl", "000.bin.fastdl.journal"}
    app.rate = None
    again = synced.run()
    assert (again.result.code, again.result.files) == (7, partial)
    assert again.statuses.total() == 1, "it was clear with the first answer"
    assert synced.path("000.bin").read_bytes() == was
    assert synced.run("-N").result.json[0]["resumed_bytes"] > 0
    synced.have_all()
    assert synced.run().result.files == {"000.bin"}


@pytest.mark.parametrize("damage", ["cut", "altered", "longer"])
def test_a_file_that_was_damaged_here_is_noticed(fastdl: Runner, serve: Serve, damage: str) -> None:
    """Its time is newer than the server's, so the server would say that nothing has changed."""
    synced = Synced(fastdl, serve, apps(5))
    synced.run("-N")
    path = synced.path("002.bin")
    data = path.read_bytes()
    path.write_bytes({"cut": data[:100], "altered": bytes(len(data)), "longer": data + b"more"}[damage])
    told = synced.run()
    assert told.codes["002.bin"] == 7
    again = synced.run("-N")
    assert again.result.code == 0
    assert again.statuses[304] == 4
    synced.have_all()


def test_a_file_of_somebody_else_is_not_taken_for_the_servers(fastdl: Runner, serve: Serve) -> None:
    """Nothing is noted of it: the server's word on its time would prove nothing."""
    synced = Synced(fastdl, serve, apps(3))
    synced.path("001.bin").write_bytes(b"mine")
    assert synced.run().codes["001.bin"] == 7
    assert synced.path("001.bin").read_bytes() == b"mine"


def test_a_newer_file_of_somebody_else(fastdl: Runner, serve: Serve) -> None:
    """It had been kept by -N; that does not make it the server's file."""
    synced = Synced(fastdl, serve, apps(3))
    path = synced.path("001.bin")
    mine = bytes(synced.files["/001.bin"].size)
    path.write_bytes(mine)
    os.utime(path, (2_000_000_000, 2_000_000_000))
    assert synced.run("-N").result.code == 0
    assert path.read_bytes() == mine
    assert synced.run().codes["001.bin"] == 7


def test_names_that_the_server_chose(fastdl: Runner, serve: Serve) -> None:
    files = {
        f"/get{at}.php": FileApp(
            size=3_000 + at, seed=at + 1, extra=(("Content-Disposition", f'attachment; filename="real{at}.bin"'),)
        )
        for at in range(6)
    }
    synced = Synced(fastdl, serve, files)
    assert synced.run().result.code == 0
    assert synced.path("real4.bin").read_bytes() == files["/get4.php"].bytes()
    for options in ([], ["-N"]):
        again = synced.run(*options)
        assert again.result.code == 0
        assert again.statuses == {304: 6}
    assert synced.run("--skip-existing").statuses == {}
    synced.path("real4.bin").unlink()
    again = synced.run()
    assert (again.result.code, again.statuses[304]) == (0, 5)
    assert synced.path("real4.bin").exists()


def test_a_name_that_the_list_gave_is_not_the_servers(fastdl: Runner, serve: Serve) -> None:
    synced = Synced(fastdl, serve, apps(1))
    url = synced.server.url("/000.bin")
    for text, name in ((f"{url}\n out=mine.bin\n", "mine.bin"), (f"{url}\n", "000.bin")):
        synced.list.write_text(text, "utf-8")
        assert synced.run().result.code == 0
        assert synced.path(name).exists()


def test_another_folder_is_another_file(fastdl: Runner, serve: Serve) -> None:
    synced = Synced(fastdl, serve, apps(4))
    synced.run()
    again = synced.run("-d", "other")
    assert again.result.code == 0
    assert again.statuses[304] == 0
    assert len(list(synced.path("other").iterdir())) == 4


def test_overwrite_asks_for_all_of_it(fastdl: Runner, serve: Serve) -> None:
    synced = Synced(fastdl, serve, apps(4))
    synced.run()
    assert synced.run("--overwrite").statuses[304] == 0


def test_digests_need_no_request(fastdl: Runner, serve: Serve) -> None:
    synced = Synced(fastdl, serve, apps(4))
    lines = [f"{synced.server.url(path)}\n checksum=sha256:{app.sha256()}\n" for path, app in synced.files.items()]
    synced.list.write_text("".join(lines), "utf-8")
    assert synced.run().result.code == 0
    assert synced.run().statuses == {}
    synced.path("002.bin").write_bytes(b"damaged")
    assert synced.run("-N").result.code == 0
    synced.have_all()


def test_a_single_url_again(fastdl: Runner, serve: Serve) -> None:
    """With -N; without, it is compared with what the server has now."""
    app = FileApp(size=400_000)
    server = serve(app)
    assert fastdl.get("--no-proxy", server.url()).code == 0
    assert fastdl.get("--no-proxy", "-N", server.url()).code == 0
    assert server.body_sent == app.size
    assert fastdl.get("--no-proxy", server.url()).code == 0
    assert [each.status for each in server.log][-2:] in ([304, 206], [304, 200])


def test_it_is_found_without_the_state_folder_too(fastdl: Runner, serve: Serve) -> None:
    """After a kill, or with another state folder, the files are compared as ever, and noted then."""
    synced = Synced(fastdl, serve, apps(10))
    assert synced.run().result.code == 0
    for place in fastdl.home.rglob("state.sqlite3*"):
        place.unlink()
    again = synced.run()
    assert (again.result.code, again.statuses[304]) == (0, 0)
    assert synced.run().statuses == {304: 10}

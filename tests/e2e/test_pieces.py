"""Digests of pieces in a Metalink: altered bytes are noticed as they arrive, and a wrong list accuses nobody."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from servers.files import FileApp, Reply
from servers.raw import Connection, RawServer, Request, Serve
from servers.run import Result, Runner

SIZE = 3 << 20
LENGTH = 128 * 1024
COUNT = SIZE // LENGTH
RATE = float(1 << 20)


def honest(**options: Any) -> FileApp:
    return FileApp(size=SIZE, **options)


TRUTH = honest().bytes()


def liar(*places: int, **options: Any) -> FileApp:
    """The file with the bytes at these places altered; everything, if there are none."""
    data = bytearray(TRUTH) if places else bytearray(TRUTH[::-1])
    for at in places:
        data[at] ^= 1
    return honest(data=bytes(data), **options)


def pieces(*wrong: int, length: int = LENGTH, of: bytes = TRUTH) -> str:
    """The list of pieces; those with the numbers `wrong` are not the file's."""
    hashes = [hashlib.sha1(of[at : at + length]).hexdigest() for at in range(0, SIZE, length)]
    hashes = ["00" * 20 if number in wrong else each for number, each in enumerate(hashes)]
    return f'<pieces length="{length}" type="sha-1">{"".join(f"<hash>{each}</hash>" for each in hashes)}</pieces>'


def get(
    fastdl: Runner, listed: str, *servers: RawServer, args: tuple[str, ...] = (), digest: str | None = ""
) -> Result:
    """`get -i` of a Metalink that names these servers, the first of them the origin."""
    whole = honest().sha256() if digest == "" else digest
    hashed = f'<hash type="sha-256">{whole}</hash>' if whole else ""
    urls = "".join(f'<url priority="{n + 1}">{server.url()}</url>' for n, server in enumerate(servers))
    text = (
        '<?xml version="1.0"?><metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="file.bin">'
        f"<size>{SIZE}</size>{hashed}{listed}{urls}</file></metalink>"
    )
    path = fastdl.home.parent / "list.meta4"
    path.write_text(text, encoding="utf-8")
    return fastdl.get("--no-proxy", "-i", str(path), *args)


def right(fastdl: Runner, result: Result) -> bool:
    assert result.code == 0, result.err
    return result.files == {"file.bin"} and (fastdl.cwd / "file.bin").read_bytes() == TRUTH


def warnings(result: Result) -> list[str]:
    return [line for line in result.err.splitlines() if "warning" in line]


def asked_again(fastdl: Runner, mirror: RawServer, *servers: RawServer) -> bool:
    """Whether the mirror gets a request in the next run."""
    before = len(mirror.log)
    assert get(fastdl, "", *servers, args=("-d", "again")).code == 0
    return len(mirror.log) > before


# --- liars -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("places", [(), tuple(range(5000, SIZE, LENGTH))])
def test_altered_pieces_are_fetched_again(fastdl: Runner, serve: Serve, places: tuple[int, ...]) -> None:
    origin, false = serve(honest(rate=RATE)), serve(liar(*places, rate=2 * RATE))
    result = get(fastdl, pieces(), origin, false, args=("-v", "--json"))
    assert right(fastdl, result)
    assert f"127.0.0.1:{false.port} sent altered bytes" in "".join(warnings(result))
    # On a busy machine the last pieces may be looked at when all have come.
    assert "are wrong: once more" in result.err or "comparing what each source sent" in result.err
    (told,) = result.json
    assert sum(each["bytes"] for each in told["sources"]) == SIZE + told["wasted_bytes"]
    assert [each["errors"] > 0 for each in told["sources"]] == [False, True]
    assert not asked_again(fastdl, false, origin, false)


@pytest.mark.parametrize("places", [(), tuple(range(5000, SIZE, LENGTH))])
def test_pieces_alone_are_enough(fastdl: Runner, serve: Serve, places: tuple[int, ...]) -> None:
    """Without a digest of the whole file."""
    origin, false = serve(honest(rate=RATE)), serve(liar(*places, rate=2 * RATE))
    assert right(fastdl, get(fastdl, pieces(), origin, false, digest=None))


def test_a_liar_gets_no_more_work_once_it_is_found_out(fastdl: Runner, serve: Serve) -> None:
    origin, false = serve(honest(rate=RATE / 2)), serve(liar(rate=RATE / 2))
    result = get(fastdl, pieces(), origin, false, args=("-k", "64k"))
    assert right(fastdl, result)
    assert false.body_sent < SIZE * 3 / 4


def test_a_piece_of_two_sources_accuses_nobody_wrongly(fastdl: Runner, serve: Serve) -> None:
    """One piece is the whole file: who was wrong is found by comparing."""
    origin, false = serve(honest(rate=RATE)), serve(liar(rate=2 * RATE))
    true = serve(honest(rate=RATE))
    result = get(fastdl, pieces(length=SIZE), origin, false, true)
    assert right(fastdl, result)
    assert all(f"127.0.0.1:{false.port} sent altered" in line for line in warnings(result))


# --- wrong lists -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [(COUNT - 2,), (1, COUNT // 2, COUNT - 2), tuple(range(COUNT))])
def test_a_wrong_list_beside_a_right_digest(fastdl: Runner, serve: Serve, wrong: tuple[int, ...]) -> None:
    """The digest of the whole file decides; honest sources are not accused, now or later."""
    origin, mirror = serve(honest(rate=RATE)), serve(honest(rate=2 * RATE))
    result = get(fastdl, pieces(*wrong), origin, mirror, args=("--json",))
    assert right(fastdl, result)
    assert warnings(result) == []
    (told,) = result.json
    assert [each["errors"] for each in told["sources"]] == [0, 0]
    assert asked_again(fastdl, mirror, origin, mirror)


def test_a_wrong_list_costs_no_second_download(fastdl: Runner, serve: Serve) -> None:
    origin = serve(honest())
    result = get(fastdl, pieces(*range(COUNT)), origin)
    assert right(fastdl, result)
    assert origin.body_sent < 2.5 * SIZE


def test_a_wrong_list_and_nothing_else(fastdl: Runner, serve: Serve) -> None:
    """Nothing tells that the file is right."""
    origin = serve(honest())
    result = get(fastdl, pieces(3), origin, digest=None)
    assert result.code == 5
    assert "the digests of its pieces do not match" in result.error
    assert result.files == set()


@pytest.mark.parametrize(
    "listed",
    [
        pieces(length=LENGTH * 2).replace(f'length="{LENGTH * 2}"', f'length="{LENGTH}"'),
        pieces().replace("sha-1", "sha-999"),
        '<pieces length="0" type="sha-1"></pieces>',
        f'<pieces length="{LENGTH}" type="sha-1"></pieces>',
    ],
)
def test_a_list_that_does_not_fit_is_not_used(fastdl: Runner, serve: Serve, listed: str) -> None:
    origin = serve(honest())
    result = get(fastdl, listed, origin)
    assert right(fastdl, result)
    assert warnings(result) == []
    assert origin.body_sent == SIZE


def test_the_origins_own_pieces_are_wrong(fastdl: Runner, serve: Serve) -> None:
    origin, mirror = serve(liar(SIZE // 2)), serve(liar(SIZE // 2))
    result = get(fastdl, pieces(), origin, mirror)
    assert result.code == 5
    assert result.files == set()
    assert warnings(result) == []


# --- broken off ------------------------------------------------------------------------------------------


def test_an_interrupted_download_with_pieces_goes_on(fastdl: Runner, serve: Serve) -> None:
    def breaks(connection: Connection, request: Request, reply: Reply) -> Reply | None:
        if broken:
            return FileApp().short(410)
        if reply.start > SIZE // 2:
            broken.append(1)
            return FileApp().short(410)
        app.send(connection, reply, limit=SIZE // 3)
        connection.reset()
        return None

    broken: list[int] = []
    app = honest(hook=breaks)
    origin = serve(app)
    first = get(fastdl, pieces(), origin, args=("--retries", "2"))
    assert first.code == 4
    assert first.files == {"file.bin.fastdl", "file.bin.fastdl.journal"}
    app.hook = None
    with open(fastdl.cwd / "file.bin.fastdl", "r+b") as file:  # and something alters what is there
        file.seek(1000)
        file.write(b"altered")
    second = get(fastdl, pieces(), origin, args=("--json",))
    assert right(fastdl, second)
    assert second.json[0]["resumed_bytes"] > 0

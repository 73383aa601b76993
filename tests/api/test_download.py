"""`fastdl.download`: one file, from the call to the result or the error."""

from __future__ import annotations

import _thread
import os
import threading
from pathlib import Path

import pytest

import fastdl
from fastdl import errors
from fastdl.events import Ended, Named, Progressed, Started
from observers import Heard, OfTheProgram, Raising, when_it_flows
from servers.files import FileApp
from servers.raw import Serve

SIZE = 3_000_000


def test_a_file_comes_whole_and_the_result_tells_of_it(serve: Serve, tmp_path: Path) -> None:
    app = FileApp(size=SIZE)
    result = fastdl.download(serve(app).url("/a.bin"), dir=tmp_path, sha256=True)
    assert result.path == str(tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == app.bytes()
    assert (result.size, result.sha256, result.error, result.job) == (SIZE, app.sha256(), None, 0)
    assert os.listdir(tmp_path).count("a.bin.fastdl") == 0


def test_options_are_those_of_the_config_file(serve: Serve, tmp_path: Path) -> None:
    app = FileApp(size=SIZE)
    server = serve(app)
    result = fastdl.download(
        server.url(),
        output=Path("b.bin"),
        dir=str(tmp_path),
        connections=1,
        checksum=f"sha256:{app.sha256()}",
        header={"X-One": "1", "X-Two": ""},
        user_agent="mine",
        timeout="20",
        limit_rate="1G",
        max_size="4M",
        no_proxy=True,
        cacert=None,
    )
    assert result.path == str(tmp_path / "b.bin")
    assert result.digest is not None
    assert result.digest.verified
    (asked,) = server.log
    assert [asked.request.get(name) for name in ("x-one", "x-two", "user-agent")] == ["1", "", "mine"]


def test_a_failure_is_an_error_with_a_code_a_hint_and_the_result(serve: Serve) -> None:
    app = FileApp()
    server = serve(lambda connection: app.send(connection, app.short(404)) if connection.receive() else None)
    with pytest.raises(errors.HttpStatus) as caught:
        fastdl.download(server.url("/gone"))
    error = caught.value
    assert (error.code, error.status) == (4, 404)
    assert error.what
    assert error.why
    assert error.hint == errors.STATUS_HINTS[404]
    assert error.result is not None
    assert (error.result.url, error.result.error, error.result.exit_code) == (server.url("/gone"), error, 4)
    assert os.listdir() == []


@pytest.mark.parametrize(
    ("url", "options", "part"),
    [
        ("http://127.0.0.1:9/f", {"conections": 3}, "did you mean connections?"),
        ("http://127.0.0.1:9/f", {"connections": "many"}, "connections: 'many' is not valid"),
        ("http://127.0.0.1:9/f", {"limit_rate": -1}, "limit_rate"),
        ("http://127.0.0.1:9/f", {"output": "-"}, "a program's stdout is its own"),
        ("http://127.0.0.1:9/f", {"quiet": True}, "not for programs"),
        ("http://127.0.0.1:9/f", {"overwrite": True, "auto_rename": True}, "exclude each other"),
        ("http://127.0.0.1:9/f", {"user": "me"}, "no password"),
        ("http://127.0.0.1:9/f", {"header": ["nothing"]}, "no colon"),
        ("http://127.0.0.1:9/f", {"cacert": "/nowhere/at/all.pem"}, "there is no such file"),
        ("http://127.0.0.1:9/f", {"timeout": 0}, "timeout"),
        ("http://127.0.0.1:9/f", {"bearer_env": "NO_SUCH_VARIABLE"}, "it is not set"),
        ("example.org/f", {}, "https://example.org/f"),
        (b"http://127.0.0.1:9/f", {}, "a bytes is no URL"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_done(url: str, options: dict[str, object], part: str) -> None:
    for call in (fastdl.download, fastdl.Download, fastdl.aio.Download):
        with pytest.raises(errors.UsageError) as caught:
            call(url, **options)  # type: ignore[arg-type]
        assert part in str(caught.value)
        assert caught.value.code == 2
    assert os.listdir() == []


def test_a_secret_is_not_repeated() -> None:
    with pytest.raises(errors.UsageError) as caught:
        fastdl.download("http://127.0.0.1:9/f", header="Authorization: s3cr\x01et")
    assert "s3cr" not in str(caught.value)


def test_nothing_is_written_to_stdout_or_stderr(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    app = FileApp(size=SIZE)
    server = serve(app)
    fastdl.download(server.url("/a"), trust="any", insecure=True)
    with pytest.raises(errors.DigestMismatch):
        fastdl.download(server.url("/b"), checksum="sha256:" + "0" * 64)
    with pytest.raises(errors.NetworkError):
        fastdl.download("http://127.0.0.1:1/c", retries=0)
    fastdl.download_many([server.url("/d"), "nothing", fastdl.Job("http://127.0.0.1:1/", retries=0)])
    assert capfd.readouterr() == ("", "")


def test_neither_config_file_nor_variables_are_read(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    config.write_text('user-agent = "of the file"\ndir = "elsewhere"\nmax-size = 1\n')
    monkeypatch.setenv("FASTDL_CONFIG", str(config))
    monkeypatch.setenv("FASTDL_REFERER", "http://of.the.environment/")
    monkeypatch.setenv("FASTDL_CONNECTIONS", "nonsense")
    server = serve(FileApp(size=SIZE))
    result = fastdl.download(server.url("/a.bin"))
    assert result.path == "a.bin"
    for exchange in server.log:
        assert "of the file" not in (exchange.request.get("user-agent") or "")
        assert exchange.request.get("referer") is None


def test_two_at_once_know_nothing_of_each_other(serve: Serve) -> None:
    one, two = FileApp(size=SIZE, seed=1, head_delay=0.05), FileApp(size=SIZE, seed=2, head_delay=0.05)
    first, second = serve(one), serve(two)
    met = threading.Barrier(2, timeout=30)
    results: dict[str, fastdl.Result] = {}

    def fetch(name: str, url: str, **options: object) -> None:
        begun = False

        def on_event(event: fastdl.Event) -> None:
            nonlocal begun
            if isinstance(event, Named) and not begun:
                begun = True
                met.wait()  # both are under way by now

        results[name] = fastdl.download(url, on_event=on_event, **options)  # type: ignore[arg-type]

    threads = [
        threading.Thread(target=fetch, args=("one", first.url("/f")), kwargs={"dir": "1", "user_agent": "one"}),
        threading.Thread(
            target=fetch,
            args=("two", second.url("/f")),
            kwargs={"dir": "2", "user_agent": "two", "connections": 1, "limit_rate": "1G"},
        ),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, app, server in (("one", one, first), ("two", two, second)):
        path = results[name].path
        assert path is not None
        assert Path(path).read_bytes() == app.bytes()
        assert {exchange.request.get("user-agent") for exchange in server.log} == {name}
    assert len(second.log) == 1  # the whole file by one connection


def test_events_come_in_their_order_and_one_at_a_time(serve: Serve) -> None:
    events = Heard()
    result = fastdl.download(serve(FileApp(size=SIZE, rate=4e6)).url(), on_event=events)
    kinds = [type(event) for event in events if isinstance(event, Started | Named | Progressed | Ended)]
    assert kinds[:2] == [Started, Named]
    assert kinds[-1] is Ended
    assert set(kinds[2:-1]) == {Progressed}
    assert events[-1] == Ended(0, result)


@pytest.mark.parametrize("kind", [Started, Named, Progressed, Ended])
def test_what_the_callback_raises_ends_the_download(serve: Serve, kind: type) -> None:
    app = FileApp(size=SIZE, rate=4e6)
    server = serve(app)
    seen = Raising(kind)
    with pytest.raises(OfTheProgram) as caught:
        fastdl.download(server.url(), on_event=seen)
    assert caught.value is seen.raised
    assert isinstance(seen[-1], kind)  # and none after it
    server.until(lambda: server.active == 0, 20)
    if kind is not Ended:
        assert not os.path.exists("file.bin")


def test_ctrl_c_ends_the_download_and_is_the_callers(serve: Serve) -> None:
    app = FileApp(size=SIZE, rate=500_000)
    server = serve(app)
    assert threading.current_thread() is threading.main_thread()
    with pytest.raises(KeyboardInterrupt):
        fastdl.download(server.url(), on_event=when_it_flows(_thread.interrupt_main), connections=1)
    assert sorted(os.listdir()) == ["file.bin.fastdl", "file.bin.fastdl.journal"]
    server.until(lambda: server.active == 0, 20)
    app.rate = None
    assert fastdl.download(server.url()).resumed_bytes > 0
    assert Path("file.bin").read_bytes() == app.bytes()


def test_the_history_is_off_unless_asked_for(serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from fastdl.io.store import Store

    monkeypatch.setenv("FASTDL_STATE_DIR", str(tmp_path / "state"))
    server = serve(FileApp(size=SIZE))
    fastdl.download(server.url("/off"))
    fastdl.download(server.url("/on"), history=True)
    store = Store(str(tmp_path / "state"), lambda text: None)
    try:
        assert [entry.url for entry in store.history()] == [server.url("/on")]
    finally:
        store.close()


def test_a_plan_without_the_file(serve: Serve) -> None:
    result = fastdl.download(serve(FileApp(size=SIZE)).url(), dry_run=True)
    assert result.plan is not None
    assert result.plan["sources"]
    assert os.listdir() == []

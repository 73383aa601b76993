"""`download_many` and `download_each`: lists of jobs, endless ones too."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import fastdl
from disks import run_python
from fastdl import errors
from fastdl.api import many
from fastdl.events import Ended, Progressed, Started
from observers import Heard, OfTheProgram, Raising
from own_threads import until_gone
from servers.files import FileApp, Reply
from servers.raw import Connection, Request, Serve

SMALL = 4096
LARGE = 3_000_000


def test_results_come_in_the_order_of_the_jobs(serve: Serve, tmp_path: Path) -> None:
    small, large = FileApp(size=SMALL), FileApp(size=LARGE, seed=2, rate=8e6)
    quick, slow = serve(small), serve(large)
    jobs: list[fastdl.Job | str] = [
        slow.url("/0.bin"),
        quick.url("/1.bin"),
        fastdl.Job(slow.url("/x"), output="2.bin", checksum=f"sha256:{large.sha256()}", sha256=True),
        fastdl.Job(quick.url("/y"), output="3.bin", dir=tmp_path / "else", header={"X-Own": "1"}),
    ]
    results = fastdl.download_many(jobs, dir=tmp_path / "here", jobs=3)
    assert [result.error for result in results] == [None] * 4
    assert [result.job for result in results] == [0, 1, 2, 3]
    names = [tmp_path / "here/0.bin", tmp_path / "here/1.bin", tmp_path / "here/2.bin", tmp_path / "else/3.bin"]
    assert [result.path for result in results] == [str(name) for name in names]
    for name, app in zip(names, (large, small, large, small), strict=True):
        assert name.read_bytes() == app.bytes()
    assert [result.sha256 for result in results][2] == large.sha256()
    own = [exchange.request.target for exchange in quick.log if exchange.request.get("x-own")]
    assert own == ["/y"]


def test_two_files_of_one_name_are_told_what_to_do(serve: Serve, tmp_path: Path) -> None:
    named, over = threading.Event(), threading.Event()

    def held(connection: Connection, request: Request, reply: Reply) -> Reply | None:
        if over.is_set():
            return reply
        app.send(connection, reply, limit=LARGE // 2)
        over.wait(60)
        connection.reset()
        return None

    app, other = FileApp(size=LARGE, hook=held), FileApp(size=LARGE, seed=2)
    first, second = serve(app).url("/one/f.bin"), serve(other).url("/two/f.bin")

    def jobs() -> Iterator[str]:
        yield first
        assert named.wait(60)
        yield second

    def on_event(event: fastdl.Event) -> None:
        if isinstance(event, fastdl.Named):
            named.set()

    try:
        results = fastdl.download_each(jobs(), on_event=on_event, dir=tmp_path)
        refused = next(results)
        over.set()
        (whole,) = results
    finally:
        over.set()
    assert (refused.job, whole.error) == (1, None)
    assert isinstance(refused.error, errors.TargetBusy) and "the same name" in refused.error.hint
    assert (tmp_path / "f.bin").read_bytes() == app.bytes()


def test_one_that_fails_is_no_matter_of_the_others(serve: Serve) -> None:
    app = FileApp(size=SMALL)
    server = serve(app)
    jobs = [
        server.url("/a"),
        fastdl.Job(server.url("/b"), conections=1),  # type: ignore[call-arg]
        fastdl.Job(server.url("/c?token=s3cret"), max_size="lots"),
        fastdl.Job(server.url("/d"), proxy="http://127.0.0.1:9"),  # type: ignore[call-arg]
        fastdl.Job(server.url("/e"), overwrite=True, skip_existing=True),
        fastdl.Job(server.url("/f"), checksum="md5:" + "0" * 32),
        fastdl.Job("http://127.0.0.1:1/g", retries=0),
        "no-url",
        17,
        server.url("/z"),
        fastdl.Job(17),  # type: ignore[arg-type]
        fastdl.Job([], retries=1),  # type: ignore[arg-type]
    ]
    results = fastdl.download_many(jobs)  # type: ignore[arg-type]
    codes = [result.exit_code for result in results]
    assert codes == [0, 2, 2, 2, 2, 5, 3, 2, 2, 0, 2, 2]
    texts = [str(result.error) for result in results]
    for number in (1, 2, 3, 4):
        assert texts[number].startswith(f"job {number} (http://127.0.0.1:{server.port}/")
        assert isinstance(results[number].error, errors.UsageError)
    assert "did you mean connections?" in texts[1]
    assert "s3cret" not in texts[2]
    assert "max_size" in texts[2]
    assert "for the whole run" in texts[3]
    assert texts[8].startswith("job 8: a int is no job")
    assert len(os.listdir()) == 2


@pytest.mark.parametrize("options", [{"output": "x"}, {"checksum": "md5:" + "0" * 32}, {"mirror": "http://a.test/"}])
def test_what_belongs_to_one_file_belongs_to_its_job(options: dict[str, str]) -> None:
    for call in (fastdl.download_many, fastdl.download_each, fastdl.aio.download_each):
        with pytest.raises(errors.UsageError) as caught:
            call([], **options)  # type: ignore[arg-type, operator]
        assert "is for one file" in str(caught.value)


@pytest.mark.parametrize("jobs", ["http://127.0.0.1:9/f", fastdl.Job("http://127.0.0.1:9/f"), b"http://127.0.0.1:9/"])
def test_a_single_job_is_no_list(jobs: object) -> None:
    for call in (fastdl.download_many, fastdl.download_each, fastdl.aio.download_each):
        with pytest.raises(errors.UsageError):
            call(jobs)  # type: ignore[arg-type, operator]


def test_nothing_to_do_is_no_error() -> None:
    assert fastdl.download_many([]) == []
    assert list(fastdl.download_each(iter(()))) == []


def test_an_executor_may_be_given_by_position(serve: Serve) -> None:
    app = FileApp(size=SMALL)
    server = serve(app)

    async def twins(executor: ThreadPoolExecutor) -> list[fastdl.Result]:
        several = await fastdl.aio.download_many([server.url("/2.bin")], executor)
        return several + [each async for each in fastdl.aio.download_each([server.url("/3.bin")], executor)]

    with ThreadPoolExecutor(1) as executor:
        results = fastdl.download_many([server.url("/0.bin")], executor)
        results += fastdl.download_each([server.url("/1.bin")], executor)
        results += asyncio.run(twins(executor))
        assert len(executor._threads) == 1  # it was made use of
    assert [result.path for result in results] == [f"{number}.bin" for number in range(4)]


def test_each_as_it_ends(serve: Serve) -> None:
    slow = serve(FileApp(size=LARGE, rate=1e6))
    quick = serve(FileApp(size=SMALL))
    found = fastdl.download_each([slow.url("/0.bin"), quick.url("/1.bin"), quick.url("/2.bin")], connections=1)
    assert [result.job for result in found][-1] == 0


def endless(server_url: str, taken: list[int]) -> Iterator[str]:
    for number in itertools.count():
        taken.append(number)
        yield f"{server_url}/{number}.bin"


def test_an_endless_list_is_taken_as_it_goes(serve: Serve) -> None:
    server = serve(FileApp(size=SMALL))
    taken: list[int] = []
    found = fastdl.download_each(endless(server.url(""), taken), durable=False)
    some = list(itertools.islice(found, 1000))
    assert len({result.job for result in some}) == 1000
    assert not any(result.error for result in some)
    assert len(taken) <= 1000 + many.LEAST_AHEAD + 5
    found.close()
    server.until(lambda: server.active == 0, 20)
    until_gone(20)
    count = len(taken)
    assert list(found) == []
    assert len(taken) == count


def test_nobody_takes_the_results_so_no_more_are_fetched(serve: Serve) -> None:
    server = serve(FileApp(size=SMALL))
    taken: list[int] = []
    ended = threading.Semaphore(0)

    def on_event(event: fastdl.Event) -> None:
        if isinstance(event, Ended):
            ended.release()

    found = fastdl.download_each(endless(server.url(""), taken), durable=False, on_event=on_event)
    assert taken == []  # it begins with the first result that is asked for
    next(found)
    assert all(ended.acquire(timeout=60) for _ in range(many.LEAST_AHEAD))
    assert len([name for name in os.listdir() if name.endswith(".bin")]) >= many.LEAST_AHEAD
    assert many.LEAST_AHEAD <= len(taken) <= many.LEAST_AHEAD + 1
    found.close()


@pytest.mark.parametrize("way", ["close", "break"])
def test_leaving_early_ends_all_that_runs(serve: Serve, way: str) -> None:
    quick, slow = serve(FileApp(size=SMALL)), serve(FileApp(size=LARGE, rate=300_000))
    jobs = itertools.chain([quick.url("/0.bin")], (slow.url(f"/{number}.bin") for number in itertools.count(1)))
    found = fastdl.download_each(jobs, connections=1, jobs=4)
    for result in found:
        assert result.job == 0
        slow.until(lambda: slow.active >= 3, 30)
        break
    if way == "close":
        found.close()
    del found
    slow.until(lambda: slow.active == 0, 30)
    until_gone(30)
    assert fastdl.download(quick.url("/1.bin"), output="after").error is None


def test_a_url_that_is_given_twice_is_fetched_once(serve: Serve) -> None:
    server = serve(FileApp(size=SMALL))
    results = fastdl.download_many([server.url("/a.bin")] * 3, jobs=3)
    assert [result.error for result in results] == [None] * 3
    assert sum(bool(result.kept) for result in results) == 2


def test_what_the_jobs_raise_comes_out_when_the_others_have_ended(serve: Serve) -> None:
    server = serve(FileApp(size=SMALL))

    def jobs() -> Iterator[str]:
        for number in range(5):
            yield server.url(f"/{number}.bin")
        raise OfTheProgram

    found = fastdl.download_each(jobs())
    results: list[fastdl.Result] = []
    with pytest.raises(OfTheProgram):
        results.extend(found)
    assert sorted(os.listdir()) == [f"{number}.bin" for number in range(5)]
    with pytest.raises(OfTheProgram):
        fastdl.download_many(jobs(), overwrite=True)


@pytest.mark.parametrize("pool", [False, True])
def test_what_the_callback_raises_ends_all(serve: Serve, pool: bool) -> None:
    server = serve(FileApp(size=LARGE, rate=500_000))
    seen = Raising(Progressed, job=2)
    urls = (server.url(f"/{number}.bin") for number in itertools.count())
    with ThreadPoolExecutor(3) as threads, pytest.raises(OfTheProgram) as caught:
        fastdl.download_many(urls, executor=threads if pool else None, on_event=seen, connections=1)
    assert caught.value is seen.raised
    assert isinstance(seen[-1], Progressed)
    server.until(lambda: server.active == 0, 20)


def test_events_tell_the_number_of_the_job(serve: Serve) -> None:
    server = serve(FileApp(size=SMALL))
    events = Heard()
    jobs: list[fastdl.Job | str] = [server.url("/0.bin"), fastdl.Job("bad", max_size="x"), server.url("/2.bin")]
    results = fastdl.download_many(jobs, on_event=events)
    for number in range(3):
        own = [event for event in events if getattr(event, "job", None) == number]
        assert own[0] == Started(number, results[number].url)
        assert own[-1] == Ended(number, results[number])
        assert sum(isinstance(event, Started | Ended) for event in own) == 2


def test_jobs_are_plain_data(tmp_path: Path) -> None:
    job = fastdl.Job("http://a.test/f", output=Path("x"), checksum="md5:00")
    assert pickle.loads(pickle.dumps(job)) == job
    assert hash(pickle.loads(pickle.dumps(job))) == hash(job)
    assert job != fastdl.Job("http://a.test/f")
    with pytest.raises(AttributeError):
        job.url = "http://b.test/"  # type: ignore[misc]
    with pytest.raises(TypeError):
        job.options["output"] = "y"  # type: ignore[index]
    with pytest.raises(AttributeError):
        del job.url  # type: ignore[misc]


def test_results_and_errors_travel(serve: Serve) -> None:
    server = serve(FileApp(size=SMALL))
    with pytest.raises(errors.DigestMismatch) as caught:
        fastdl.download(server.url(), checksum="md5:" + "0" * 32)
    error = pickle.loads(pickle.dumps(caught.value))
    assert (type(error), str(error), error.code) == (errors.DigestMismatch, str(caught.value), 5)
    assert error.result.error is error
    assert error.result.url == server.url()
    result = pickle.loads(pickle.dumps(caught.value.result))
    assert result.error.result is result


# --- memory ----------------------------------------------------------------------------------------------

MANY = """
    import gc, json, os, sys, threading, tracemalloc

    folder, url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    os.environ.update(HOME=folder, FASTDL_STATE_DIR=folder + "/state", FASTDL_CONFIG=os.devnull)
    import fastdl

    def jobs():
        for number in range(count):
            yield fastdl.Job(f"{url}/{number}", output=f"{number}.bin")

    tracemalloc.start()
    held, bad, done = [], [], 0
    for result in fastdl.download_each(jobs(), dir=folder, durable=False, no_proxy=True):
        done += 1
        if result.error is not None:
            bad.append(str(result.error))
        if done % 1000 == 0:
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
    assert not bad, bad[:3]
    print(json.dumps([done, held, threading.active_count()]))
"""


def test_memory_does_not_grow_with_the_number_of_jobs(serve: Serve, tmp_path: Path) -> None:
    server = serve(FileApp(size=200))
    done = run_python(MANY, str(tmp_path), server.url(""), "5000")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    count, held, threads = json.loads(done.stdout)
    assert (count, threads) == (5000, 1)
    assert held[-1] - held[0] < 200_000, held  # of what is kept for each job, 50 bytes would be too many


# --- locks -----------------------------------------------------------------------------------------------


def test_a_set_of_files_is_locked(serve: Serve) -> None:
    app = FileApp(size=SMALL)
    server = serve(app)
    jobs: list[fastdl.Job | str] = [server.url("/a.bin"), fastdl.Job(server.url("/b"), output="b.bin")]
    assert [result.error for result in fastdl.download_many(jobs, dir="one", lock="set.lock")] == [None, None]
    assert app.sha256() in Path("set.lock").read_text(encoding="utf-8")
    app.change()
    results = fastdl.download_many(jobs, dir="two", lock=Path("set.lock"))
    assert [type(result.error) for result in results] == [errors.DigestMismatch] * 2


def test_a_list_that_was_left_early_drops_nothing_from_its_lock(serve: Serve) -> None:
    server = serve(FileApp(size=SMALL))
    urls = [server.url(f"/{number}.bin") for number in range(50)]
    fastdl.download_many(urls, lock="set.lock")
    before = Path("set.lock").read_text(encoding="utf-8")
    found = fastdl.download_each(iter(urls), lock="set.lock", overwrite=True)
    next(found)
    found.close()
    assert Path("set.lock").read_text(encoding="utf-8") == before


def test_a_lock_is_for_several_files() -> None:
    with pytest.raises(errors.UsageError):
        fastdl.download("http://127.0.0.1:9/f", lock="set.lock")
    Path("broken.lock").write_text("nonsense", encoding="utf-8")
    with pytest.raises(errors.UsageError):
        fastdl.download_many([], lock="broken.lock")

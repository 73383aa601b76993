"""Measures sources: from each one a small range, the same from all, with its times. Nothing is kept on disk."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from fastdl.core.head import Validators, validators_of
from fastdl.core.plain import dataclass, field
from fastdl.core.response import Action, Ask, Verdict, judge
from fastdl.core.response import Known as KnownObject
from fastdl.errors import ConnectFailed, FastdlError, ProtocolViolation, Refused, TimedOut
from fastdl.io.contact import Contact, Place
from fastdl.io.session import NoSlot, Session

SAMPLE = 1 << 20  # bytes of each source at most
SECONDS = 2.0  # of its body
LONGEST = 12.0  # seconds that one source may take in all
AT_ONCE = 3
LEAST_RATED = 64 * 1024  # bytes; fewer say nothing about a rate
_BLOCK = 64 * 1024


@dataclass(slots=True)
class Sample:
    """What one source gave. Times in seconds: `connect` for the connection with TLS, `first_byte` from the request to
    the response head, redirects included, `seconds` for the body. `data` begins at the file's first byte."""

    place: Place
    connect: float | None = None
    first_byte: float | None = None
    seconds: float = 0.0
    data: bytearray = field(default_factory=bytearray)
    size: int | None = None
    ranges: bool | None = None
    validators: Validators | None = None
    content_type: str | None = None
    final: str | None = None
    busy: bool = False
    fault: FastdlError | None = None  # set: it gave nothing that can be used
    whole: bool = False  # the sample is the file

    @property
    def rate(self) -> float | None:
        """Bytes a second of this one connection; None where too little came to say."""
        if len(self.data) < LEAST_RATED or self.first_byte is None:
            return None
        # What has come together with the head took no time of its own.
        seconds = self.seconds if self.seconds > self.first_byte / 4 else self.seconds + self.first_byte
        return len(self.data) / max(seconds, 0.001)

    @property
    def usable(self) -> bool:
        return self.fault is None

    @property
    def error(self) -> str:
        """Why it gave nothing, as half a sentence; "" if it did."""
        return (self.fault.why or self.fault.what) if self.fault is not None else ""

    def expected(self, size: int | None) -> float:
        """Seconds that the file would take from here over one connection."""
        begin = (self.connect or 0.0) + (self.first_byte or 0.0)
        rate = self.rate
        return begin + (self.seconds if rate is None else (size if size is not None else 8 * SAMPLE) / rate)


Told = Callable[[Sample], None]


def measure(session: Session, places: Sequence[Place], on_done: Told, error: FastdlError | None = None) -> list[Sample]:
    """Samples of the places, in their order: of the first one, the origin, alone; of the others three at a time, those
    of one host one after the other. `on_done` is told each, from any thread. `error`: why the origin gives nothing, if
    that is known. Raises Interrupted, Terminated."""
    deadline = time.monotonic() + (session.settings.max_time or 3600.0)
    samples = [Sample(place) for place in places]
    if error is not None:
        samples[0].fault = error
    else:
        _run(session, [samples[:1]], deadline, on_done)
    hosts: dict[str, list[Sample]] = {}
    for sample in samples[1:]:
        sample.content_type = samples[0].content_type
        hosts.setdefault(sample.place.given.host, []).append(sample)
    _run(session, list(hosts.values()), deadline, on_done)
    return samples


def _run(session: Session, groups: Iterable[list[Sample]], deadline: float, on_done: Told) -> None:
    waiting: queue.SimpleQueue[list[Sample]] = queue.SimpleQueue()
    count = 0
    for group in groups:
        waiting.put(group)
        count += 1
    crashes: list[BaseException] = []
    stop = threading.Event()

    def work() -> None:
        try:
            while not stop.is_set():
                for sample in waiting.get_nowait():
                    _take(session, sample, deadline, stop)
                    on_done(sample)
        except queue.Empty:
            return
        except BaseException as error:
            crashes.append(error)

    threads = [
        threading.Thread(target=work, name=f"fastdl-measure-{n}", daemon=True) for n in range(min(AT_ONCE, count))
    ]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(0.1)  # with a bound, so that Ctrl-C gets through on Windows too
    finally:
        stop.set()
    if crashes:
        raise crashes[0]


# --- one source ------------------------------------------------------------------------------------------


def _take(session: Session, sample: Sample, deadline: float, stop: threading.Event) -> None:
    """Fetches the sample of one source; a failure is noted in it."""
    left = min(LONGEST, deadline - time.monotonic())
    if left <= 0:
        sample.fault = TimedOut("the source was not asked", "there was no time left for it")
        return
    over = threading.Event()

    def cancelled() -> bool:
        return over.is_set() or stop.is_set()

    contact = Contact(session, 0, cancelled)

    def end() -> None:
        over.set()
        contact.abort()

    watch = threading.Timer(left, end)
    watch.daemon = True
    watch.start()
    try:
        _connect(session, sample, cancelled)
        _fetch(session, sample, contact)
    except NoSlot:
        sample.fault = ConnectFailed("the source was not asked", "all connections to its host are in use")
    except FastdlError as error:
        slow = TimedOut("the source is too slow", f"no answer within {left:.0f} s")
        sample.fault = slow if over.is_set() else error
    finally:
        watch.cancel()
        contact.drop()


def _connect(session: Session, sample: Sample, cancelled: Callable[[], bool]) -> None:
    """Opens the connection by itself, so that its time is known; the request then finds it idle."""
    url = sample.place.given
    began = time.monotonic()
    channel = session.channel(url, cancelled=cancelled)
    sample.connect = time.monotonic() - began
    session.release(url, channel)


def _fetch(session: Session, sample: Sample, contact: Contact) -> None:
    began = time.monotonic()
    answer = contact.ask(sample.place, 0, SAMPLE, True, ())
    sample.first_byte = time.monotonic() - began
    sample.final = answer.url.text
    verdict = judge(Ask(0, SAMPLE, True), answer.head, KnownObject(content_type=sample.content_type), time.time())
    sample.busy = verdict.action is Action.BUSY
    _judged(sample, verdict)
    sample.validators = validators_of(answer.head)
    sample.content_type = answer.head.get("content-type")
    began = time.monotonic()
    try:
        while len(sample.data) < SAMPLE and time.monotonic() - began < SECONDS:
            view = memoryview(bytearray(min(_BLOCK, SAMPLE - len(sample.data))))
            got = answer.channel.read_into(view)
            if not got:
                break
            sample.data += view[:got]
            pause = session.pause_for(got)
            if pause > 0:
                time.sleep(pause)
    finally:
        sample.seconds = time.monotonic() - began
        if sample.size is None and len(sample.data) < SAMPLE and answer.channel.body_left == 0:
            sample.size = len(sample.data)
        sample.whole = sample.size is not None and sample.size == len(sample.data)


def _judged(sample: Sample, verdict: Verdict) -> None:
    """Takes the judge's word on the response head. Raises ProtocolViolation and Refused for an answer of no use."""
    if verdict.broken:
        raise ProtocolViolation("the server sent a broken answer", verdict.why)
    if verdict.coding or verdict.action not in (Action.USE, Action.WHOLE, Action.EMPTY):
        raise Refused("the server gave no file", verdict.why or "it sends the file in a coded form")
    sample.size = 0 if verdict.action is Action.EMPTY else verdict.size
    if verdict.action is not Action.EMPTY:
        sample.ranges = verdict.action is Action.USE

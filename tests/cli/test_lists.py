"""From a list to the files of a run: values checked as the command line's, faults with their place, nothing kept."""

from __future__ import annotations

import gc
import io
import json
import tempfile
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from fastdl import batch
from fastdl.cli.session import Session
from fastdl.core.lists.entry import Listed
from fastdl.core.lists.keys import ALIASES, NEGATIONS, ONE_FILE
from fastdl.core.urls import parse_url
from fastdl.core.verify import Digest
from fastdl.errors import BadEntry, ConnectionLost, HttpStatus, Interrupted, UnsafeName, UsageError
from fastdl.events import Ended, Event, Started
from fastdl.io.session import Session as Network
from fastdl.io.view import FileSession
from fastdl.listing import File, files_of
from fastdl.options import BY_KEY
from fastdl.result import Result, Tally
from fastdl.settings import Settings

A, B, C = "https://example.org/a", "https://example.org/b", "https://m.example.net/b"
SHA = "sha256:" + "ab" * 32

Read = Callable[..., list[File]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """The files of a list with this text and a run with these settings."""

    def files(text: str, urls: tuple[str, ...] = (), **settings: Any) -> list[File]:
        path = tmp_path / "l.txt"
        path.write_bytes(text.encode())
        return list(files_of(Settings(input_file=str(path), **settings), urls))

    return files


def only(files: list[File]) -> Settings:
    (file,) = files
    assert file.error is None, file.error
    return file.settings


def error_of(file: File) -> str:
    assert file.error is not None
    return str(file.error).replace(file.place.rpartition(", ")[0], "LIST")


# --- options ---------------------------------------------------------------------------------------------


def test_options_reach_the_settings_of_their_file_alone(read: Read) -> None:
    text = f"{A}\n out=x\n dir=d\n checksum={SHA}\n header=K: v\n header=L: w\n split=3\n continue=false\n{B}\t{C}\n"
    first, second = read(text, headers=[("Run", "1")], connections=9)
    one = first.settings
    assert (one.output, one.dir, one.checksum, one.connections, one.resume) == ("x", "d", SHA, 3, False)
    assert one.headers == [("K", "v"), ("L", "w")]
    two = second.settings
    assert (two.output, two.dir, two.checksum, two.connections, two.resume) == (None, ".", None, 9, True)
    assert (two.headers, two.mirrors, second.url, second.listed) == ([("Run", "1")], [C], B, None)


@pytest.mark.parametrize(
    ("option", "field", "value"),
    [
        ("max-tries=1", "retries", 0), ("max-tries=5", "retries", 4), ("max-tries=0", "retries", 1_000_000),
        ("retries=5", "retries", 5), ("max-size=2k", "max_size", 2048), ("max-time=0", "max_time", None),
        ("split=5", "connections", 5), ("connections=auto", "connections", None),
        ("min-split-size=1M", "min_split", 1 << 20),
        ("max-connection-per-server=2", "per_host", 2), ("user=me:pw:x", "user", ("me", "pw:x")),
        ("http-user=me\n http-passwd=p:w", "user", ("me", "p:w")), ("http-user=me", "user", ("me", "")),
        ("checksum=sha-256=" + "ab" * 32, "checksum", "sha-256=" + "ab" * 32),
        ("allow-overwrite=true", "overwrite", True), ("auto-file-renaming=false", "auto_rename", False),
        ("no-cdn=true", "cdn", "off"), ("cdn=prefer", "cdn", "prefer"), ("region=DE", "region", "DE"),
        ("no-durable=true", "durable", False), ("durable=no", "durable", False),
        ("conditional-get=true", "newer", True),
        ("mirror=" + C, "mirrors", [C]), ("referer=x=y", "referer", "x=y"), ("out=../up/f", "output", "../up/f"),
    ],
)  # fmt: skip
def test_values(read: Read, option: str, field: str, value: object) -> None:
    assert getattr(only(read(f"{A}\n {option}\n", skip_existing=False)), field) == value


def test_json_values(read: Read) -> None:
    line = {"url": A, "mirrors": [C, B], "max-tries": 3, "durable": False, "max_size": "1k", "header": "K: v"}
    one = only(read(json.dumps(line) + "\n"))
    assert (one.mirrors, one.retries, one.durable, one.max_size, one.headers) == ([C, B], 2, False, 1024, [("K", "v")])


def test_what_a_file_says_takes_away_what_it_excludes(read: Read) -> None:
    one = only(read(f"{A}\n auto-rename=true\n", overwrite=True))
    assert (one.auto_rename, one.overwrite) == (True, False)
    one = only(read(f"{A}\n user=me:pw\n", bearer_env="TOKEN"))
    assert (one.user, one.bearer_env) == (("me", "pw"), None)
    one = only(read(f"{A}\n bearer-env=OTHER\n", user=("me", "pw")))
    assert (one.user, one.bearer_env) == (None, "OTHER")


@pytest.mark.parametrize(
    ("option", "line", "said"),
    [
        ("checksum=sha256:00", 2, "checksum: the sha256 checksum has a wrong length"),
        ("checksum=" + "ab" * 32, 2, "Did you mean sha256:"),
        ("out=x\n max-size=many", 3, "max-size: "),
        ("durable=perhaps", 2, "durable: 'perhaps' is not valid (true or false is expected)"),
        ("header=K", 2, "header: a header has no colon"),
        ("header=Range: bytes=0-1", 2, "the header Range cannot be set"),
        ("split=0", 2, "split: '0' is not valid"),
        ("max-tries=many", 2, "max-tries: 'many' is not valid"),
        ("mirror=m.example.net/f", 2, "cannot be used"),
        ("user=me", 2, "no password is given (nobody can be asked)"),
        ("http-passwd=hunter2", 2, "http-passwd is given without http-user"),
        ("user=me:hunter2\n http-user=you", 2, "the user is given in two ways"),
        ("out=-", 2, "out=- is not for lists"),
        ("overwrite=1\n auto-rename=1", 1, "overwrite and auto-rename exclude each other"),
        ("cookies=no/such/file", 1, "there is no such file"),
    ],
)
def test_a_wrong_value_names_list_and_line(read: Read, option: str, line: int, said: str) -> None:
    broken, other = read(f"{A}\n {option}\n{B}\n")
    assert isinstance(broken.error, BadEntry)
    assert broken.error.code == 2
    assert broken.url == A
    assert error_of(broken).startswith(f"LIST, line {line}: ")
    assert said in error_of(broken)
    assert "hunter2" not in str(broken.error)
    assert other.error is None


def test_a_wrong_url_names_its_line_and_shows_no_secret(read: Read) -> None:
    first, second, third = read(f"example.org/f\n{A}\tftp://x/y\nhttps://me:hunter2@exa mple.org/f\n")
    assert error_of(first).startswith("LIST, line 1: the URL 'example.org/f' cannot be used")
    assert "https://example.org/f" in error_of(first), "the hint has the likely URL"
    assert "ftp" in error_of(second)
    assert "LIST, line 3: " in error_of(third)
    assert "hunter2" not in error_of(third)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_NAMES = st.sampled_from(sorted({BY_KEY[key].name for key in ONE_FILE} | set(ALIASES) | set(NEGATIONS)))


@settings_of_hypothesis(deadline=None)
@given(st.dictionaries(_NAMES, _JSON, max_size=3), st.text(min_size=1, max_size=12) | st.just(A))
def test_whatever_a_value_is_it_is_taken_or_told(fields: dict[str, Any], url: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "l")
        path.write_text(json.dumps({"url": url, **fields}), encoding="utf-8")
        (file,) = files_of(Settings(input_file=str(path)), [])
    assert file.error is None or isinstance(file.error, BadEntry)
    if file.error is not None:
        assert "l, line 1: " in file.error.what


# --- what is for one file ---------------------------------------------------------------------------------


def test_options_of_the_command_that_are_for_one_file(read: Read) -> None:
    one = only(read(f"{A}\n", output="x", checksum=SHA, mirrors=[C]))
    assert (one.output, one.checksum, one.mirrors) == ("x", SHA, [C])
    assert only(read(f"{A}\t{B}\n", mirrors=[C])).mirrors == [B, C]
    first, second, third = read(f"{A}\n{B}\n{C}\n out=own\n", output="x")
    assert first.settings.output == "x"
    assert "line 2: --output is for one file" in str(second.error)
    assert third.settings.output == "own"
    url, entry = read(f"{B}\n", (A,), checksum=SHA)
    assert (url.url, url.settings.checksum, url.place) == (A, SHA, "")
    assert "line 1: --checksum is for one file" in str(entry.error)
    broken, after = read(f"x\n{B}\n", mirrors=[C])
    assert broken.error is not None
    assert "line 2: --mirror is for one file" in str(after.error)


METALINK = f"""<metalink><file name="d/f"><size>3</size><hash type="sha-256">{"ab" * 32}</hash>
<hash type="blake3">{"cd" * 32}</hash><pieces length="3" type="sha-256"><hash>{"ab" * 32}</hash></pieces>
<url location="us" priority="1">{A}</url><url location="de" priority="2">{B}</url><url location="de">{C}</url></file>
<file name="NUL"><url>{A}</url></file></metalink>"""


def test_a_metalink(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "blake3", None)  # a digest that cannot be computed is no help
    file, unsafe = read(METALINK)
    assert isinstance(file.listed, Listed)
    assert (file.url, file.settings.mirrors, file.settings.output) == (A, [B, C], str(Path("d/f")))
    assert (file.listed.source, file.listed.size, file.listed.ordered) == ("metalink", 3, True)
    assert file.listed.digests == (Digest("sha256", bytes.fromhex("ab" * 32)),)
    assert file.listed.pieces is not None
    assert isinstance(unsafe.error, UnsafeName)
    assert (unsafe.error.code, "LIST, file 2: " in error_of(unsafe)) == (6, True)


def test_a_region_comes_first_and_the_users_name_wins(read: Read) -> None:
    file = read(METALINK, region="DE", output="mine")[0]
    assert (file.url, file.settings.mirrors, file.settings.output) == (B, [C, A], "mine")


# --- whole lists -----------------------------------------------------------------------------------------


def test_a_list_that_cannot_be_read(read: Read, tmp_path: Path) -> None:
    for text, said in (("", "l.txt: the list is empty"), (f"{A}\n\0", "l.txt, line 2: this is no list")):
        with pytest.raises(UsageError) as caught:
            read(text)
        assert said in str(caught.value)
    for path, said in ((tmp_path / "none", "No such file"), (tmp_path, "cannot be read")):
        with pytest.raises(UsageError) as caught:
            files_of(Settings(input_file=str(path)), [])
        assert said in str(caught.value)


def test_an_empty_list_beside_a_url_is_no_fault(read: Read) -> None:
    assert [file.url for file in read("", (A,))] == [A]


# --- the view of one file ---------------------------------------------------------------------------------


def test_a_file_has_its_own_credentials_and_shares_the_rest() -> None:
    run = Network(Settings(headers=[("Run", "1")], limit_rate=1 << 20))
    url = parse_url(A)
    try:
        view = FileSession(run, Settings(headers=[("Own", "2")], limit_rate=1 << 20, cdn="off"))
        sent = dict(view.credentials.headers_for(url, url, 0))
        assert sent.get("Own") == "2"
        assert "Run" not in sent
        assert "Own" not in dict(run.credentials.headers_for(url, url, 0))
        assert view.settings.cdn == "off"
        assert run.settings.cdn == "auto"
        assert view.pool is run.pool
        assert view.dialer is run.dialer
        with view.crowd("example.org"), run.crowd("example.org"):
            assert view.share("example.org") == run.share("example.org") == 4
        view.pause_for(700)
        run.pause_for(300)
        assert run._throttle is not None and view._throttle is run._throttle
        assert run._throttle.received == 1000, "the limit counts both"
        assert view.mapper is run.mapper
        plain = FileSession(run, Settings(headers=[("Run", "1")], limit_rate=1 << 20))
        assert plain.credentials is run.credentials
        run._digests[url.origin] = ("me", "hunter2")
        assert plain._digests
        assert not view._digests, "another file's login is not this one's"
    finally:
        run.close()


# --- the run ---------------------------------------------------------------------------------------------


class FakeDownload:
    """Ends as its URL says, without a network; `made` are those that are still alive."""

    made: ClassVar[weakref.WeakSet[FakeDownload]] = weakref.WeakSet()
    most: ClassVar[int] = 0

    def __init__(self, session: Any, url: str, settings: Settings, observer: Any, job: int, listed: Any = None) -> None:
        self.url, self.job, self.observer = url, job, observer
        FakeDownload.made.add(self)
        FakeDownload.most = max(FakeDownload.most, len(FakeDownload.made))

    def stop(self, error: Exception) -> None:
        raise AssertionError("nothing was stopped")

    def let_go(self) -> None:
        pass

    def run(self) -> Result:
        error = ConnectionLost("lost") if self.url.endswith("bad") else None
        result = Result(self.url, path="x", size=1, error=error)
        self.observer(Started(self.job, self.url))
        self.observer(Ended(self.job, result))
        return result

    def run_then(self, ended: Callable[[Callable[[], Result]], None]) -> None:
        ended(self.run)


def test_a_long_list_is_read_as_it_is_worked_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "Download", FakeDownload)
    FakeDownload.most = 0
    settings = Settings(jobs=3)
    ended: set[int] = set()
    ahead = 0

    def files() -> Iterator[File]:
        nonlocal ahead
        for number in range(5000):
            ahead = max(ahead, number - len(ended))
            yield File(f"{A}{number}{'bad' if number == 7 else ''}", settings)

    def observer(event: Event) -> None:
        if isinstance(event, Ended):
            ended.add(event.job)

    tally = batch.run_list(settings, files(), observer)
    assert (tally.files, tally.failed, tally.stopped) == (5000, 1, None)
    assert ended == set(range(5000))
    assert ahead <= settings.jobs
    gc.collect()
    assert FakeDownload.most <= 4 * settings.jobs, "what has ended is forgotten"


def test_a_broken_entry_is_told_as_a_file_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "Download", FakeDownload)
    settings = Settings()
    events: list[Event] = []
    broken = File("ftp://x", settings, place="l, line 1", error=BadEntry("l, line 1: no"))
    tally = batch.run_list(settings, [broken, File(A, settings)], events.append)
    assert (tally.files, tally.failed) == (2, 1)
    ends = {event.job: event.result for event in events if isinstance(event, Ended)}
    assert ends[0].error is broken.error
    assert ends[0].url == "ftp://x"
    assert {event.job for event in events if isinstance(event, Started)} == {0, 1}


def test_a_crash_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    class Crashing(FakeDownload):
        def run(self) -> Result:
            raise ZeroDivisionError

    monkeypatch.setattr(batch, "Download", Crashing)
    with pytest.raises(ZeroDivisionError):
        batch.run_list(Settings(), [File(A, Settings())] * 20, lambda event: None)


def told(settings: Settings, *results: Result, stopped: Interrupted | None = None) -> tuple[int, str]:
    """The exit code and stderr of a run of a list with these results."""
    out, err = io.StringIO(), io.StringIO()
    session = Session(settings, None, stdout=out, stderr=err, environ={})
    tally = Tally(stopped=stopped)
    for number, result in enumerate(results):
        session.handle(Started(number, result.url))
        session.handle(Ended(number, result))
        tally.add(result)
    session.close()
    return session.exit_code(tally), err.getvalue()


def test_exit_codes_of_lists() -> None:
    good, lost = Result(A, path="a", size=1), Result(B, error=ConnectionLost("lost"))
    refused = Result(C, error=HttpStatus("no", status=404))
    entry = Result("ftp://x", error=BadEntry("l.txt, line 3: no"))
    quiet = Settings(quiet=True)
    assert told(quiet, good) == (0, "")
    assert told(quiet, good, good) == (0, "")
    assert told(quiet, lost)[0] == 3
    assert told(quiet, entry) == (2, "fastdl: error: l.txt, line 3: no. Try 'fastdl --help'.\n")
    assert told(quiet, good, lost)[0] == 8
    assert told(quiet, lost, refused)[0] == 8
    code, err = told(Settings(), good, lost, entry)
    assert code == 8
    assert "2 of 3 files failed" in err
    assert f"{B}: lost" in err, "which of the files"
    assert "ftp://x" not in err, "the line is named already"


def test_a_list_that_was_interrupted_says_so_once() -> None:
    stopped = Interrupted("interrupted")
    code, err = told(Settings(), Result(A, error=stopped), Result(B, error=stopped))
    assert (code, err.count("interrupted")) == (130, 1)
    assert told(Settings(), Result(A, path="a", size=1), stopped=stopped)[0] == 130


def test_the_sum_of_a_list_of_unknown_length() -> None:
    from fastdl.events import Progressed
    from fastdl.ui.bars import Bars

    now = iter(range(0, 10_000, 10))
    bars = Bars(io.StringIO(), None, lambda: float(next(now)))
    for job in (0, 1):
        bars.handle(Started(job, A))
    bars.handle(Ended(0, Result(A, size=5)))
    bars.handle(Progressed(1, 3, 10, 1.0))
    assert bars.total is not None
    assert bars.total.labels() == ["1 file", "1"]
    assert bars.total.job.total is None, "more may come"
    assert bars.total.job.done == 8
    bars.close()


def test_the_example_of_the_documentation_is_a_list(read: Read) -> None:
    import re

    text = (Path(__file__).resolve().parents[2] / "docs/lists.md").read_text(encoding="utf-8")
    examples = re.findall(r"```(?:text|json)\n(.*?)```", text, re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        files = read(example)
        assert len(files) == 2
        assert not any(file.error for file in files), [str(file.error) for file in files]


def test_the_documentation_names_every_option_of_a_file_and_no_other() -> None:
    import re

    from fastdl.core.lists.keys import ALIASES, NEGATIONS, ONE_FILE, meaning
    from fastdl.options import BY_KEY

    text = (Path(__file__).resolve().parents[2] / "docs/lists.md").read_text(encoding="utf-8")
    table = text.split("## Options of one file", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| `")]
    names = {name for row in rows for cell in row for name in re.findall(r"`([a-z-]+)`", cell)}
    assert names == {BY_KEY[key].name for key in ONE_FILE} | set(ALIASES) | set(NEGATIONS)
    for name in names:
        assert meaning(name)[0] in ONE_FILE

"""What goes from one process to another comes out as it went in."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl import errors, events
from fastdl.cluster.parcel import Packer, Sealed
from fastdl.core.lists.entry import Listed
from fastdl.core.plain import replace
from fastdl.core.verify import parse_checksum
from fastdl.errors import BadEntry, FastdlError, HttpStatus
from fastdl.io.onedir import NotTakenBack
from fastdl.io.secrets import load_credentials
from fastdl.listing import File
from fastdl.result import DigestReport, Result, SourceReport
from fastdl.settings import Settings


def _leaves(kind: type[FastdlError]) -> Iterator[type[FastdlError]]:
    yield kind
    for leaf in kind.__subclasses__():
        yield from _leaves(leaf)


LEAVES = sorted(set(_leaves(FastdlError)) | {NotTakenBack}, key=lambda leaf: leaf.__qualname__)
text = st.text(max_size=20)


def _again(what: object) -> object:
    return pickle.loads(pickle.dumps(what))


@given(leaf=st.sampled_from(LEAVES), what=text, why=text, hint=st.none() | text)
def test_every_error_travels(leaf: type[FastdlError], what: str, why: str, hint: str | None) -> None:
    error = leaf(what, why, hint)
    back = _again(error)
    assert type(back) is leaf
    assert isinstance(back, FastdlError)
    assert (back.what, back.why, back.hint, back.code) == (what, why, error.hint, error.code)
    assert (str(back), back.args, vars(back)) == (str(error), error.args, vars(error))


def test_an_error_keeps_what_else_it_knows() -> None:
    error = HttpStatus("the server refused", "HTTP 404", status=404)
    error.result = Result("http://h/x", error=error)  # they know each other
    back = _again(error)
    assert isinstance(back, HttpStatus)
    assert back.status == 404 and back.hint == errors.STATUS_HINTS[404]
    assert back.result is not None and back.result.error is back


def test_results_and_events_travel() -> None:
    result = Result(
        "http://h/x",
        path="x",
        size=3,
        digest=DigestReport("sha256", "00", "user", True),
        sources=[SourceReport("http://h/x", "h", bytes=3)],
        error=BadEntry("line 3", "no"),
        plan={"a": [1]},
    )
    back = _again(result)
    assert isinstance(back, Result) and back.to_json() == result.to_json()
    for event in (
        events.Started(1, "u"),
        events.Named(1, "p", None, 4),
        events.Progressed(1, 2, 3, 4.0, 5, 6),
        events.Note(None, "warning", "t"),
        events.Lent(1, True),
    ):
        assert _again(event) == event
    ended = _again(events.Ended(1, result))
    assert isinstance(ended, events.Ended) and ended.result.to_json() == result.to_json()


def test_files_travel_with_what_a_list_says_of_them() -> None:
    listed = Listed("metalink", 5, (parse_checksum("sha256:" + "0" * 64),), ordered=True)
    file = File("http://h/x", Settings(mirrors=["http://m/x"]), listed, "l, file 1", BadEntry("x"))
    back = Sealed(file).open()
    assert [getattr(back, each.name) for each in fields(File)][:4] == [file.url, file.settings, listed, file.place]
    assert str(back.error) == str(file.error)


def test_secrets_are_read_where_the_user_is(tmp_path: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "t0ps3cret")
    packer = Packer(Settings(bearer_env="TOKEN"))
    monkeypatch.delenv("TOKEN")
    settings = Sealed(packer.settings).open()
    from fastdl.core.urls import parse_url

    url = parse_url("https://h/x")
    assert ("Authorization", "Bearer t0ps3cret") in load_credentials(settings).headers_for(url, url, 0.0)
    assert "t0ps3cret" not in repr(packer.settings) + repr(Sealed(packer.settings))


def test_a_file_whose_secrets_cannot_be_read_fails_alone() -> None:
    run = Settings()
    packer = Packer(run)
    file = File("http://h/x", replace(run, netrc_file="nowhere.netrc"), place="l, line 2")
    error = packer.pack(0, file).error
    assert isinstance(error, BadEntry) and "l, line 2" in str(error) and "nowhere.netrc" in str(error)
    assert packer.pack(1, File("http://h/y", run)).error is None


def test_paths_are_absolute_on_the_way_and_as_given_at_the_end(
    tmp_path: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))
    run = Settings(dir="sub/folder", cacert="ca.pem")
    packer = Packer(run)
    packed = packer.pack(0, File("http://h/x", run))
    import os

    assert packed.settings.dir == os.path.join(str(tmp_path), "sub", "folder")
    assert packed.settings.cacert == os.path.join(str(tmp_path), "ca.pem")
    path = os.path.join(packed.settings.dir, "x")
    named = packer.unpack(events.Named(0, path, 1))
    assert isinstance(named, events.Named) and named.path == os.path.join("sub/folder", "x")
    ended = packer.unpack(events.Ended(0, Result("http://h/x", path=path, unpacked_into=packed.settings.dir)))
    assert isinstance(ended, events.Ended)
    assert (ended.result.path, ended.result.unpacked_into) == (os.path.join("sub/folder", "x"), "sub/folder")

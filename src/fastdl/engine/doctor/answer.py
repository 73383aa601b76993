"""What the server answers, and what its clock says: one request of a download, for one byte."""

from __future__ import annotations

import time

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.plain import replace
from fastdl.core.quantity import format_size
from fastdl.core.response import Action, Ask, Known, Verdict, judge
from fastdl.core.shown import clean
from fastdl.core.urls import Url
from fastdl.engine.doctor import clock
from fastdl.engine.doctor.disks import Folder, room_for
from fastdl.engine.doctor.finding import INFO, OK, WRONG, Finding, of_error
from fastdl.errors import UsageError, status_hint
from fastdl.io.contact import Answer, Contact, Place
from fastdl.io.session import Session
from fastdl.settings import Settings

if TYPE_CHECKING:
    from fastdl.engine.doctor.finding import Tell

_USABLE = (Action.USE, Action.WHOLE, Action.EMPTY, Action.NO_RANGES)
_PAGES = ("html", "htm", "xhtml", "php", "asp", "aspx", "jsp")


def check_answer(settings: Settings, url: Url, given: bool, place: Folder, tell: Tell) -> None:
    """Ask for the first byte of `url`, and tell of the answer, of the room for the file, and of the clock. Without a
    URL of the user's (`given`), any answer does, and it is asked without anything of the user. Raises NetworkErrors and
    Refused where no answer comes."""
    if not given:
        settings = replace(
            settings, headers=[], user=None, netrc=False, netrc_file=None, bearer_env=None, cookies=None, referer=None,
            user_agent=None,
        )  # fmt: skip
    try:
        session = Session(settings)
    except UsageError as error:  # a file of cookies or logins
        tell(of_error("config", error))
        return
    contact = Contact(session, 0, lambda: False)
    began, started = time.time(), time.monotonic()
    try:
        answer = contact.ask(Place(url), 0, 1, True, ())
    finally:
        contact.drop()
        session.close()
    taken = time.monotonic() - started
    ended = time.time()
    verdict = judge(Ask(0, 1, True), answer.head, Known(), ended)
    tell(_judged(url, answer, verdict, given, taken))
    if given and verdict.size is not None and verdict.action in _USABLE:
        problem = room_for(verdict.size, place)
        if problem is not None:
            tell(problem)
    ahead = clock.skew(answer.head.get("date"), answer.head.get("age"), began, ended)
    judged = clock.judged(ahead, answer.url.host, ended)
    tell(judged or Finding("clock", INFO, f"{answer.url.host} names no time to compare with"))


def _judged(url: Url, answer: Answer, verdict: Verdict, given: bool, taken: float) -> Finding:
    status = answer.head.status
    reason = clean(answer.head.reason, 40)
    hops = len(answer.hops)
    where = f" from {answer.url.host}" + (f", {hops} redirect{'' if hops == 1 else 's'}" if hops else "")
    text = f"status {status}{f' ({reason})' if reason else ''}{where}, {1000 * taken:.0f} ms"
    if not given:
        return Finding("http", OK if status < 500 and status != 511 else WRONG, text, _advice(status))
    if verdict.action not in _USABLE:
        why = "" if status >= 400 else f": {verdict.why}"
        return Finding("http", WRONG, text + why, _advice(status))
    page = _page_instead(url, answer)
    if page:
        advice = "A login page of this network, or the path is not that of a file: open the URL in a browser."
        return Finding("http", WRONG, f"{text}: a web page instead of {page}", advice)
    size = f", {format_size(verdict.size)}" if verdict.size is not None else ", size unknown"
    if verdict.action is Action.USE:
        return Finding("http", OK, f"{text}{size}, ranges work")
    return Finding("http", INFO, f"{text}{size}, no ranges: one connection, and no going on after a break")


def _advice(status: int) -> str:
    return status_hint(status) if status >= 400 else ""


def _page_instead(url: Url, answer: Answer) -> str:
    """The file's name, where its ending promises something else than the web page that came; else ""."""
    name = url.path.rsplit("/", 1)[-1]
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    kind = (answer.head.get("content-type") or "").partition(";")[0].strip().lower()
    if not ending or ending in _PAGES or kind not in ("text/html", "application/xhtml+xml"):
        return ""
    return clean(name, 60)

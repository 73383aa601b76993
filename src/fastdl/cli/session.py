"""Everything a person or a program sees of one run: display, error lines, JSON, the last lines and the log.

The engine's events come from its threads; a lock makes each of them whole on the screen.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

from fastdl.cli.crash import report_bug
from fastdl.core.hints import TYPE_CHECKING, TextIO
from fastdl.errors import BadEntry, DiskError, FastdlError, Interrupted, SomeFailed, Terminated, UnsafeName
from fastdl.events import Ended, Event, Note
from fastdl.result import Result, Tally
from fastdl.settings import Settings
from fastdl.ui.progress import TICK, choose_kind, emit, make_display
from fastdl.ui.report import Log, Summary, plan_lines, summary
from fastdl.ui.text import error_line, safe

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from fastdl.batch import Watcher
    from fastdl.cli.metering import Meter
    from fastdl.engine.profile import Profile


class Session:
    """The observer of one run of `files` files, None where a list says how many. Raises DiskError if --log cannot be
    written."""

    def __init__(
        self,
        settings: Settings,
        files: int | None,
        *,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.settings = settings
        self.several = files is None or files > 1
        self.stdout = stdout if stdout is not None else sys.stdout
        self.stderr = stderr if stderr is not None else sys.stderr
        self.lock = threading.Lock()
        self.log = Log(settings.log) if settings.log is not None else None
        # With --progress json stderr is read by a program; with --json and --dry-run the facts are on stdout.
        self.summarises = not (settings.quiet or settings.json or settings.dry_run or settings.progress == "json")
        kind = choose_kind(
            settings.progress,
            quiet=settings.quiet,
            terminal=is_terminal(self.stderr),
            data_on_terminal=settings.output == "-" and is_terminal(self.stdout),
            environ=environ,
        )
        self.unwritten: DiskError | None = None
        self._meter: Meter | None = None
        self.display = make_display("none" if settings.dry_run else kind, self.stderr, files, environ=environ)
        self.summary = Summary()
        self.beside = is_terminal(self.stdout) and kind == "bar"  # what goes to stdout comes where the bars are
        self.closed = threading.Event()
        if self.display.ticks:
            threading.Thread(target=self._tick, name="fastdl-ticks", daemon=True).start()

    def _tick(self) -> None:
        """Where no event comes, the display still knows that time goes by."""
        while not self.closed.wait(TICK):
            with self.lock:
                if not self.closed.is_set():
                    self.display.tick()

    def handle(self, event: Event) -> None:
        """Takes one event; from any thread."""
        if self._meter is not None:
            self._meter.handle(event)
        with self.lock:
            if self.log is not None:
                self.log.handle(event)
            self.display.handle(event)
            if isinstance(event, Note):
                self._note(event)
            elif isinstance(event, Ended):
                self._ended(event.result)

    def profiling(self) -> AbstractContextManager[Profile | None]:
        """While it lasts, times are taken for --profile. Raises DiskError if its file cannot be written,
        UsageError if it is the download itself."""
        if self.settings.profile is None:
            return nullcontext()
        from fastdl.cli.profiling import profiling

        return profiling(self.settings.profile, self.settings, lambda text: self.handle(Note(None, "warning", text)))

    def run(self, work: Callable[[Watcher | None], Sequence[Result] | Tally]) -> int:
        """Does the work of the run, watched as --profile and --metrics ask; the exit code. What nobody foresaw is
        reported as a bug. Raises FastdlError for what concerns the whole run."""
        try:
            with self.watching() as watcher:
                results = work(watcher)
        except (FastdlError, BrokenPipeError):
            raise
        except Exception as error:
            self.display.close()
            return report_bug(error, verbose=self.settings.verbose, log=self.log)
        finally:
            self.close()
        return self.exit_code(results)

    @contextmanager
    def watching(self) -> Iterator[Watcher | None]:
        """While it lasts, what --profile and --metrics ask for is written; what it gives is to run the downloads.
        Raises DiskError if a file cannot be written, UsageError if it is another one's name or an address is taken."""
        with self.profiling() as profile:
            if self.settings.metrics is None:
                yield profile
                return
            from fastdl.cli.metering import metering

            def warn(text: str) -> None:
                self.handle(Note(None, "warning", text))

            def note(text: str) -> None:
                self.handle(Note(None, "info", text))

            with metering(self.settings, profile, warn, self.say, note) as self._meter:
                yield self._meter.metering

    def say(self, text: str) -> None:
        """Something that was asked for: a line on stderr, where a program reads it as an object."""
        with self.lock:
            if self.log is not None:
                self.log.handle(Note(None, "info", text))
            if self.settings.progress == "json":
                import json

                self.display.write(json.dumps({"note": text}))
            elif not self.settings.quiet:
                self.display.write("fastdl: " + safe(text))

    def _note(self, note: Note) -> None:
        if self.settings.quiet:
            return
        job = self.display.jobs.get(note.job) if self.several and note.job is not None else None
        text = safe(note.text) if job is None else f"{job.label}: {safe(note.text)}"
        if note.level == "warning":
            self.display.write("fastdl: warning: " + text)
        elif self.settings.verbose:
            self.display.write("fastdl: " + text)

    def _ended(self, result: Result) -> None:
        self.summary.add(result)
        if self.settings.json:
            import json

            plan = self.settings.dry_run and result.plan is not None
            self._print(json.dumps(result.plan if plan else result.to_json()))
        elif result.plan is not None:
            for line in plan_lines(result.plan):
                self._print(line)
        if self.several and isinstance(result.error, Interrupted | Terminated):
            return  # one line for all of them at the end is enough
        if result.error is not None:
            # Those of a list's entry name its line.
            named = not self.several or isinstance(result.error, BadEntry | UnsafeName)
            about = "" if named else result.path or result.url
            self.display.write(error_line(result.error, about))
        elif self.summarises:
            self.display.write(summary(result))

    def _print(self, line: str) -> None:
        """A line for a program, on stdout. Downloads go on where nobody takes it; a full disk is told at the end."""
        if self.beside:
            self.display.hide()
        try:
            if self.stdout is not None:
                self.stdout.write(line + "\n")
                self.stdout.flush()
        except BrokenPipeError:
            return
        except (OSError, ValueError) as error:
            self.unwritten = DiskError("cannot write to stdout", getattr(error, "strerror", None) or "it is closed", "")

    def exit_code(self, results: Sequence[Result] | Tally) -> int:
        """The code of the whole run: the file's own for one file, else 8 if any failed. Says how many did."""
        tally = results if isinstance(results, Tally) else tally_of(results)
        if self.several and self.summarises and self.summary.files > 1 and tally.stopped is None:
            emit(self.stderr, self.summary.line())
        code = self._code(tally)
        if code or self.unwritten is None:
            return code
        emit(self.stderr, error_line(self.unwritten))
        return self.unwritten.code

    def _code(self, tally: Tally) -> int:
        if not self.several:
            return tally.code
        if tally.stopped is not None:
            emit(self.stderr, error_line(tally.stopped))
            return tally.stopped.code
        if tally.files == 1 or not tally.failed:
            return tally.code
        some = SomeFailed(f"{tally.failed} of {tally.files} files failed")
        if not self.settings.quiet:
            emit(self.stderr, error_line(some))
        return some.code

    def close(self) -> None:
        """Takes the bars away and closes the log."""
        self.closed.set()
        with self.lock:
            self.display.close()
            if self.log is not None:
                self.log.close()


def tally_of(results: Sequence[Result]) -> Tally:
    """The results of a run, counted."""
    tally = Tally()
    for result in results:
        tally.add(result)
    return tally


def is_terminal(stream: TextIO | None) -> bool:
    """True for an open stream that a person looks at."""
    try:
        return stream is not None and stream.isatty()
    except (OSError, ValueError):
        return False

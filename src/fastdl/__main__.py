"""The entry: `fastdl` and `python -m fastdl`.

Everything a user waits for passes here, so nothing is imported before it is needed: `--version` is answered by bare
Python. This is also the one place where exceptions end: an error becomes its line and its exit code, a signal becomes
an exception in the main thread, and anything unforeseen becomes a line that says how to report it.
"""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False  # typing's own costs an import
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastdl.core.hints import Any, NoReturn


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line (without the program's name) and returns the exit code; raises nothing."""
    args = list(sys.argv[1:] if argv is None else argv)
    handlers: dict[int, Any] = {}
    try:
        if args[:1] == ["--version"]:
            return _version()
        _harden_streams()
        handlers = _take_signals()
        return _dispatch(args)
    except KeyboardInterrupt:
        from fastdl.errors import Interrupted

        return _fail(Interrupted("interrupted"))
    except BrokenPipeError:
        return 6  # whoever read our output has gone; there is nobody to tell
    except Exception as error:
        return _explain(error, args)
    finally:
        _give_back(handlers)


def run() -> NoReturn:
    """The console script: ends the process at once, without waiting for threads that hang in a dead network."""
    # What a start makes stays: to search it for garbage forty times takes 4 % of a small file's time.
    gc.set_threshold(20_000, 10, 10)
    try:
        code = main()
    except KeyboardInterrupt:
        code = 130  # one more Ctrl-C, while the first was told
    for stream in (sys.stdout, sys.stderr):
        _flush(stream)
    os._exit(code)


def _flush(stream: Any) -> None:
    try:
        if stream is not None:
            stream.flush()
    except (OSError, ValueError):
        return


def _version() -> int:
    from fastdl import __version__

    if sys.stdout is None:
        return 0
    try:
        sys.stdout.write(f"fastdl {__version__}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        from fastdl.errors import DiskError

        raise DiskError("cannot write to stdout", error.strerror or "it is closed", "") from error
    return 0


def _dispatch(args: list[str]) -> int:
    if "_FASTDL_COMPLETE" in os.environ:  # a shell asks what could stand at the cursor
        from fastdl.cli.completing import answer

        return answer(args, os.environ)
    from fastdl.cli.parse import HelpWanted, command_of

    command, rest = command_of(args)
    if not command or command == "demo":  # which is the one that has no options
        return _typer(args if command else rest)
    try:
        module = __import__(f"fastdl.cli.{command}", fromlist=["main"])  # the one that is needed, and no other
        return int(module.main(rest))
    except HelpWanted:
        return _typer([command, "--help"])


def _typer(args: list[str]) -> int:
    from fastdl.cli.app import run_app

    return run_app(args)


def _explain(error: Exception, args: list[str]) -> int:
    from fastdl.errors import FastdlError

    if isinstance(error, FastdlError):
        return _fail(error)
    from fastdl.cli.crash import report_bug

    return report_bug(error, verbose="-v" in args or "--verbose" in args)


def _fail(error: Any) -> int:
    from fastdl.ui.progress import emit
    from fastdl.ui.text import error_line

    emit(sys.stderr, error_line(error))
    return int(error.code)


def _harden_streams() -> None:
    """A name that the console's encoding cannot show must not end a download."""
    from contextlib import suppress

    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            with suppress(OSError, ValueError):
                reconfigure(errors="backslashreplace")


def _take_signals() -> dict[int, Any]:
    """SIGTERM, and the closing of the console (SIGHUP; on Windows SIGBREAK, which the C runtime raises for
    Ctrl-Break and for the window's closing), raise Terminated in the main thread. A signal that is ignored stays
    ignored: that is nohup. Gives the handlers that were there before."""
    import signal

    def terminate(number: int, frame: object) -> None:
        from fastdl.errors import Terminated

        raise Terminated("terminated")

    before: dict[int, Any] = {}
    for name in ("SIGTERM", "SIGHUP", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is None or signal.getsignal(number) == signal.SIG_IGN:
            continue
        try:
            before[number] = signal.signal(number, terminate)
        except ValueError:  # not the main thread: the program around us minds its signals
            break
    return before


def _give_back(handlers: dict[int, Any]) -> None:
    if not handlers:
        return
    import signal

    for number, handler in handlers.items():
        signal.signal(number, handler)


if __name__ == "__main__":
    run()

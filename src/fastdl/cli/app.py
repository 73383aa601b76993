"""The typer side of the command line: help, shell completion, and the commands that are not worth a fast path.

The signatures of the commands are made from the table of options, so `--help` and completion know exactly what the
fast parser and the config file know. A usage error is one line, as everywhere, without a box.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence

import typer
from typer.core import TyperCommand

from fastdl.core.hints import Any
from fastdl.errors import UsageError
from fastdl.options import EXPLAIN_OPTIONS, OPTIONS, Option

VERIFY_HELP = (
    "Check files by --checksum, a list (-c) or what the publisher of a URL says (--from); --repair mends them."
)
MIRRORS_HELP = (
    "List the rules and mirrors in force (of one ecosystem or host); 'mirrors test URL' measures the sources."
)

Run = Callable[[Mapping[str, Any], Sequence[str]], int]

EPILOG = (
    "'fastdl URL' is 'fastdl get URL'. Every option of get can be set in the config file and by the environment "
    "(FASTDL_CONNECTIONS=8). Exit codes: 0 all is there and checked, 2 usage, 3 network, 4 refused by the server, "
    "5 integrity, 6 disk, 7 the target exists, 8 some files failed, 9 another fastdl is at it, 130 interrupted."
)


class GroupedCommand(TyperCommand):
    """A command whose help shows the options by their groups."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if param.param_type_name == "option" else None
            if record is not None:
                groups.setdefault(_group_of(param.name or ""), []).append(record)
        for group, records in groups.items():
            with formatter.section(group):
                formatter.write_dl(records)


def _group_of(name: str) -> str:
    return next((option.group for option in (*OPTIONS, *EXPLAIN_OPTIONS) if option.key == name), "Options")


def build(get: Run, resume: Run, explain: Run, demo: Callable[[], int]) -> typer.Typer:
    """The application; the functions do the work and return exit codes."""
    from fastdl.cli import bench, cache, history, stats
    from fastdl.cli.mirrors import MIRRORS_OPTIONS, mirrors
    from fastdl.cli.resume import RESUME_OPTIONS
    from fastdl.cli.verify import VERIFY_OPTIONS, verify

    every = (*OPTIONS, *EXPLAIN_OPTIONS)

    app = typer.Typer(
        name="fastdl",
        help="Downloads files fast, verified and resumable.",
        epilog=EPILOG,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    _add(app, "get", "Download files: fast, verified, resumable.", get, OPTIONS, "URL")
    _add(app, "resume", "Finish the unfinished downloads in DIR (default: here).", resume, RESUME_OPTIONS, "DIR")
    _add(app, "verify", VERIFY_HELP, verify, VERIFY_OPTIONS, "FILE")
    _add(app, "explain", "Say what get would do with URL and why; nothing is fetched.", explain, every, "URL")
    _add(app, "mirrors", MIRRORS_HELP, mirrors, MIRRORS_OPTIONS, "NAME|test URL")
    _add(app, "stats", stats.STATS_HELP, stats.stats, stats.STATS_OPTIONS, "")
    _add(app, "history", history.HISTORY_HELP, history.history, history.HISTORY_OPTIONS, "clear")
    _add(app, "cache", cache.CACHE_HELP, cache.cache, cache.CACHE_OPTIONS, "info|clear")
    app.command("demo", help="See it work in about ten seconds, without the internet.")(demo)
    _add(app, "bench", bench.BENCH_HELP, bench.bench, bench.BENCH_OPTIONS, "URL")
    return app


def _root(
    version: bool = typer.Option(False, "--version", help="Show the version and exit.", is_eager=True),
) -> None:
    if version:
        from fastdl import __version__

        typer.echo(f"fastdl {__version__}")
        raise typer.Exit()


def _add(app: typer.Typer, name: str, text: str, run: Run, options: Sequence[Option], metavar: str) -> None:
    def command(**values: Any) -> int:
        words = values.pop("words", None) or []
        return run({key: value for key, value in values.items() if value is not None and value != []}, words)

    words = typer.Argument(None, metavar=metavar, show_default=False)
    parameters = [_parameter("words", list[str] | None, words)] if metavar else []
    parameters += [_parameter(option.key, *_typer_option(option)) for option in options]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__name__ = name
    app.command(name, help=text, cls=GroupedCommand)(command)


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _typer_option(option: Option) -> tuple[Any, Any]:
    """The annotation and typer's description of one row. Values stay text: values.py checks them."""
    name = f"--{option.name}/--no-{option.name}" if option.negatable else f"--{option.name}"
    names = ([f"-{option.short}"] if option.short else []) + [name]
    text = option.help + (f" (default: {option.default})" if option.default else "")
    if option.kind == "flag":
        return bool | None, typer.Option(None, *names, help=text, show_default=False)
    metavar = "|".join(option.words) if option.kind == "choice" else option.metavar
    annotation = list[str] | None if option.kind == "list" else str | None
    complete = (lambda: list(option.words)) if option.words else None
    return annotation, typer.Option(
        None, *names, help=text, metavar=metavar, show_default=False, autocompletion=complete
    )


def run_app(args: Sequence[str]) -> int:
    """Runs a command line through typer; the exit code. Raises UsageError for what typer does not understand."""
    from fastdl.cli import demo, explain, get, resume

    return invoke(build(get.get, resume.resume, explain.explain, demo.main), args)


def invoke(app: typer.Typer, args: Sequence[str]) -> int:
    """Runs `app`; its complaints become UsageError, its ways to exit an exit code."""
    command = typer.main.get_command(app)
    try:
        code = command.main(args=list(args), prog_name="fastdl", standalone_mode=False)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    except typer.Abort:
        raise KeyboardInterrupt from None
    except Exception as error:
        # typer brings its own click or uses the installed one, depending on its version: known by their methods
        message = getattr(error, "format_message", None)
        if message is None or not hasattr(error, "exit_code"):
            raise
        raise UsageError(_one_line(message())) from None
    return code if isinstance(code, int) else 0


def _one_line(message: str) -> str:
    text = " ".join(message.split()).rstrip(".")
    return text[:1].lower() + text[1:]

"""The typer side of the command line: the pages of help, and the commands that are not worth a fast path.

The signatures of the commands are made from the table of commands, so `--help` and completion know exactly what the
fast parser and the config file know. A usage error is one line, as everywhere, without a box.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence

import typer
from typer.core import TyperCommand, TyperGroup

from fastdl.cli.commands import NAMES, Command, Run, everything, load, runner
from fastdl.cli.pages import command_page, form_of, root_page
from fastdl.cli.state import say
from fastdl.core.hints import Any
from fastdl.errors import UsageError
from fastdl.options import Option


class Root(TyperGroup):
    """`fastdl` itself; its help is ours, whatever typer's looks like."""

    def get_help(self, ctx: Any) -> str:
        return _page(root_page(everything(), columns()))


class Page(TyperCommand):
    """A command; its help is ours."""

    def get_help(self, ctx: Any) -> str:
        return _page(command_page(load(self.name or ""), columns()))


def _page(text: str) -> str:
    """Shows a page, and ends: as typer shows it, a disk that is full would be a bug."""
    say([text.rstrip("\n")])
    raise typer.Exit


def columns() -> int:
    """How wide the terminal is; COLUMNS decides if it is set, and 80 where there is no terminal."""
    from shutil import get_terminal_size

    return get_terminal_size().columns


def build(runs: Mapping[str, Run] | None = None, names: Sequence[str] = NAMES) -> typer.Typer:
    """The application with the commands `names`; `runs` takes the place of what does the work, by name."""
    app = typer.Typer(
        name="fastdl",
        cls=Root,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name in names:
        _add(app, load(name), (runs or {}).get(name) or runner(name))
    return app


def _root(
    version: bool = typer.Option(False, "--version", help="Show the version and exit.", is_eager=True),
) -> None:
    if version:
        from fastdl import __version__

        typer.echo(f"fastdl {__version__}")
        raise typer.Exit()


def _add(app: typer.Typer, known: Command, run: Run) -> None:
    def command(**values: Any) -> int:
        words = values.pop("words", None) or []
        return run({key: value for key, value in values.items() if value is not None and value != []}, words)

    words = typer.Argument(None, metavar=known.words, show_default=False)
    parameters = [_parameter("words", list[str] | None, words)] if known.words else []
    parameters += [_parameter(option.key, *_typer_option(option)) for option in known.options]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__name__ = known.name
    app.command(known.name, help=known.summary, cls=Page)(command)


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _typer_option(option: Option) -> tuple[Any, Any]:
    """The annotation and typer's description of one row. Values stay text: values.py checks them."""
    name = f"--{option.name}/--no-{option.name}" if option.negatable else f"--{option.name}"
    names = ([f"-{option.short}"] if option.short else []) + [name]
    if option.kind == "flag":
        return bool | None, typer.Option(None, *names, help=option.help, show_default=False)
    annotation = list[str] | None if option.kind == "list" else str | None
    return annotation, typer.Option(None, *names, help=option.help, metavar=form_of(option), show_default=False)


def run_app(args: Sequence[str]) -> int:
    """Runs a command line through typer; the exit code. Raises UsageError for what typer does not understand."""
    if args and args[0] in ("--install-completion", "--show-completion"):
        from fastdl.cli.completion import main

        return main(args)
    return invoke(build(names=args[:1] if args and args[0] in NAMES else NAMES), args)


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

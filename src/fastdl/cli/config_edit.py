"""`fastdl config edit`: the config file in the user's editor; a new one begins with all settings as comments."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Mapping

from fastdl.errors import UsageError
from fastdl.io.config_file import create
from fastdl.options import OPTIONS, SETTINGS, Option

HEAD = """\
# The settings of fastdl. A line begins to count when its first # is taken away.
# The command line beats the environment (FASTDL_CONNECTIONS=4), the environment beats this file.
# 'fastdl config show' says what is in force. Rules and mirrors of your own go below, into tables [rules.NAME].
"""


def template() -> str:
    """A config file in which every setting stands as a comment."""
    lines = [HEAD]
    group = ""
    for option in (*OPTIONS, *SETTINGS):
        if option.group != group:
            group = option.group
            lines.append(f"\n# --- {group} ---\n")
        text = textwrap.wrap(option.help, 110)
        lines.append("".join(f"# {line}\n" for line in text) + f"# {option.name} = {example(option)}\n")
    return "\n".join(line.strip("\n") + "\n" for line in lines)


def example(option: Option) -> str:
    """A valid value of an option in TOML: the default, or what one may look like."""
    if option.kind == "flag":
        return "true" if option.default == "on" else "false"
    if option.default.isdigit():
        return option.default
    if option.kind == "choice" or option.default == ".":
        return f'"{option.default}"'
    from fastdl.manual.markdown import sample

    return sample(option).partition(" = ")[2]


def edit(path: str) -> None:
    """Make the config file if it is missing, and have it edited; returns when the editor has ended. Raises DiskError,
    UsageError where no editor can be started."""
    create(path, template())
    command = editor_of(os.environ, sys.platform)
    try:
        ended = subprocess.run([*command, path], check=False)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no command"
        raise UsageError(
            f"the editor {command[0]} cannot be started", why.lower(), "Set VISUAL or EDITOR to another one."
        ) from None
    if ended.returncode != 0:
        raise UsageError(f"the editor {command[0]} failed", f"exit {ended.returncode}", f"The file is {path}.")


def editor_of(environ: Mapping[str, str], platform: str) -> list[str]:
    """The command of the editor, without the file: $VISUAL, $EDITOR, else what the system has. Raises UsageError where
    there is none."""
    for variable in ("VISUAL", "EDITOR"):
        if environ.get(variable, "").strip():
            return _found(_words(environ[variable].strip(), variable, platform), environ)
    if platform == "win32":
        return ["notepad"]
    usual = ["sensible-editor", "nano", "vim", "vi"] if platform != "darwin" else ["nano", "vim", "vi"]
    for name in usual:
        if shutil.which(name, path=environ.get("PATH")):
            return [name]
    if platform == "darwin":
        return ["open", "-t"]
    raise UsageError("no editor is found", f"neither {', '.join(usual[:-1])} nor {usual[-1]}", "Set VISUAL or EDITOR.")


def _words(text: str, variable: str, platform: str) -> list[str]:
    """The words of the variable: a program with options, or a path that holds spaces."""
    import shlex

    if os.path.isfile(text):
        return [text]
    try:
        if platform == "win32":  # a backslash is part of a path there
            words = [word.strip('"') for word in shlex.split(text, posix=False)]
        else:
            words = shlex.split(text)
    except ValueError:
        raise UsageError(
            f"{variable} cannot be used", "its quotes do not fit together", "Set it to a program."
        ) from None
    if not words:
        raise UsageError(f"{variable} cannot be used", "it names no program", "Set it to a program.")
    return words


def _found(words: list[str], environ: Mapping[str, str]) -> list[str]:
    """With the program's full name: Windows starts what ends in .cmd by that alone."""
    return [shutil.which(words[0], path=environ.get("PATH")) or words[0], *words[1:]]

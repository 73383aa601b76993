"""example.org, an empty folder, and the programs that recipes are written for."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from pages.fixtures import sandbox as sandbox
from pages.fixtures import world as world
from pages.sandbox import Sandbox
from recipes.recipe import Provide
from servers.real import find, package


@pytest.fixture
def provide(sandbox: Sandbox) -> Provide:
    """Put a program into the sandbox: `provide("pip", module="pip")` runs a module of this Python, `provide("make")`
    the installed one. Skips (or fails) the test where it is missing. Gives the program's path there."""

    def make(name: str, module: str = "") -> str:
        if module:
            package(module)
            words = [sys.executable, "-m", module]
        else:
            beside = Path(sys.executable).with_name(name)
            words = [str(beside) if beside.exists() else find(name)]
        path = sandbox.programs / name
        path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
        path.chmod(0o755)
        return str(path)

    return make

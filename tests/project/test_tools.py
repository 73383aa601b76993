"""What the tools say of the code is part of the tests: imports, types, style."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from servers.real import package

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = "from importlinter.cli import lint_imports_command as main; main()"


def run(*command: str, cwd: Path = ROOT, source: Path = ROOT / "src") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(source), "NO_COLOR": "1", "COLUMNS": "120"}
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def must_pass(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr


def test_style() -> None:
    package("ruff")
    must_pass(run("-m", "ruff", "check", "--no-cache", "--output-format=concise", "."))
    must_pass(run("-m", "ruff", "format", "--no-cache", "--check", "."))


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_types(platform: str) -> None:
    """As on each system: what one of them lacks shows here, wherever the tests run."""
    package("mypy")
    paths = ["src"] if platform == "win32" else []  # the benches need a POSIX system
    cache = f"--cache-dir={ROOT / '.mypy_cache' / platform}"
    must_pass(run("-m", "mypy", "--no-error-summary", f"--platform={platform}", cache, *paths))


def test_imports_keep_the_core_pure() -> None:
    package("importlinter")
    must_pass(run("-c", CONTRACTS, "--no-cache"))


@pytest.mark.parametrize("line", ["import time", "from os import path", "import fastdl.io", "import numpy, socket"])
def test_the_contract_notices_an_impure_core(tmp_path: Path, line: str) -> None:
    package("importlinter")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "src/fastdl/core/impure.py").write_text(f"{line}\n", encoding="utf-8")
    done = run("-c", CONTRACTS, "--no-cache", cwd=tmp_path, source=tmp_path / "src")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "fastdl.core.impure" in done.stdout

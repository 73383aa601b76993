"""What is installed is what is in the repository: the built wheel and sdist, opened and looked at."""

from __future__ import annotations

import ast
import email
import email.message
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import fastdl
from servers.real import package

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    package("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> dict[str, bytes]:
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def metadata(wheel: dict[str, bytes]) -> email.message.Message:
    (name,) = (name for name in wheel if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(wheel[name])


def sources() -> set[str]:
    package = ROOT / "src" / "fastdl"
    files = (path.relative_to(package.parent).as_posix() for path in package.rglob("*") if path.is_file())
    return {name for name in files if not re.search(r"/(\.|__pycache__/)", name)}


def test_the_wheel_holds_the_package_and_nothing_else(wheel: dict[str, bytes]) -> None:
    inside = {name for name in wheel if ".dist-info/" not in name and ".data/" not in name}
    clones = ("fastdl/data/facts/", "fastdl/data/build.py", "fastdl/manual/")
    for_a_clone = {name for name in sources() if name.startswith(clones)}
    assert len(for_a_clone) > 2
    assert inside == sources() - for_a_clone
    assert {"fastdl/data/rules.json", "fastdl/data/rules.schema.json"} <= inside
    assert "fastdl/py.typed" in inside
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel)


def test_the_man_page_goes_where_man_looks(wheel: dict[str, bytes]) -> None:
    (name,) = (name for name in wheel if ".data/" in name)
    assert name.endswith(".data/data/share/man/man1/fastdl.1")
    assert wheel[name] == (ROOT / "packaging/fastdl.1").read_bytes()


def test_the_command_is_fastdl_whatever_the_distribution_is_called(wheel: dict[str, bytes]) -> None:
    (name,) = (name for name in wheel if name.endswith("entry_points.txt"))
    assert wheel[name].decode().split("\n")[:2] == ["[console_scripts]", "fastdl = fastdl.__main__:run"]
    assert metadata(wheel)["Name"] != "fastdl"  # that name belongs to another project on the package index


def test_the_version_is_the_packages_own(wheel: dict[str, bytes]) -> None:
    assert metadata(wheel)["Version"] == fastdl.__version__


def test_dependencies_have_lower_bounds_and_no_upper_ones(wheel: dict[str, bytes]) -> None:
    required = [line for line in metadata(wheel).get_all("Requires-Dist") or [] if "extra ==" not in line]
    assert {re.split(r"[\[><=; ]", line)[0] for line in required} >= {"httpx", "typer", "tqdm", "numpy", "psutil"}
    for line in required:
        bounds = line.split(";")[0]
        assert ">=" in bounds, line
        assert not re.search(r"<|==|~=|!=", bounds), line


def imported() -> set[str]:
    """The third-party modules that the package imports anywhere, also inside functions."""
    names = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module == "backports":  # a folder that projects share
                names |= {f"backports-{alias.name}" for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.add(node.module.split(".")[0])
    of_type_checkers = {"_typeshed", "typing_extensions"}
    return names - set(sys.stdlib_module_names) - of_type_checkers - {"fastdl", "tomllib", "compression"}


def test_what_is_imported_is_what_is_required(wheel: dict[str, bytes]) -> None:
    required = metadata(wheel).get_all("Requires-Dist") or []
    own = {re.split(r"[\[><=; ]", line)[0] for line in required if "extra ==" not in line}
    extras = {re.split(r"[\[><=; ]", line)[0] for line in required if "extra ==" in line and "'test'" not in line}
    assert own <= imported() <= own | extras


def test_the_sdist_can_be_tested_by_those_who_package_it(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    own = Path(__file__).relative_to(ROOT).as_posix()
    assert {f"src/{name}" for name in sources()} | {own, "pyproject.toml", "LICENSE", "README.md"} <= names
    assert {"benches/harness.py", "docs/cli.md", "packaging/README.md", "CHANGELOG.md"} <= names
    assert not [name for name in names if re.search(r"(^|/)(\.venv|\.git|__pycache__|\.\w+_cache)/", name)]

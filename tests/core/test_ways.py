"""How fastdl was installed, told from facts of each system, and the command that upgrades it."""

from __future__ import annotations

from typing import Any

import pytest

from fastdl.core.ways import ARCHIVE, SOURCE, SYSTEM, Facts, Way, quoted, way_of

NAME = "the-name"  # of the distribution: the metadata says it, whatever it is
CHOCO = {"ChocolateyInstall": "C:\\ProgramData\\chocolatey"}
SITE = "/lib/python3.12/site-packages/fastdl"
VENV = "/home/user/venv"


def bundle(program: str, platform: str = "win32", **more: Any) -> Facts:
    return Facts(program, platform=platform, bundle=True, **more)


def python(prefix: str, platform: str = "linux", **more: Any) -> Facts:
    more = {"name": NAME, "installer": "pip", "package": prefix + SITE, **more}
    return Facts(more.pop("program", prefix + "/bin/python"), prefix=prefix, platform=platform, **more)


@pytest.mark.parametrize(
    ("facts", "by", "command"),
    [
        (
            bundle("C:\\ProgramData\\chocolatey\\lib\\fastdl\\tools\\fastdl\\fastdl.exe"),
            "Chocolatey",
            "choco upgrade fastdl",
        ),
        (
            bundle("D:\\choco\\lib\\fastdl\\tools\\fastdl.exe", environ={"ChocolateyInstall": "D:\\choco\\"}),
            "Chocolatey",
            "choco upgrade fastdl",
        ),
        (bundle("C:\\Users\\Ada L\\scoop\\apps\\fastdl\\current\\fastdl.exe"), "Scoop", "scoop update fastdl"),
        (
            bundle("C:\\Users\\ada\\scoop\\apps\\fastdl\\0.2.0\\fastdl.exe", environ=CHOCO),
            "Scoop",
            "scoop update fastdl",
        ),
        (
            bundle("E:\\tools\\apps\\fastdl\\current\\fastdl.exe", environ={"SCOOP": "e:\\Tools"}),
            "Scoop",
            "scoop update fastdl",
        ),
        (bundle("C:\\ProgramData\\scoop\\apps\\fastdl\\current\\fastdl.exe"), "Scoop", "scoop update --global fastdl"),
        (
            bundle("E:\\all\\apps\\fastdl\\1\\fastdl.exe", environ={"SCOOP_GLOBAL": "E:\\all"}),
            "Scoop",
            "scoop update --global fastdl",
        ),
        (
            bundle(
                "C:\\Users\\ada\\AppData\\Local\\Microsoft\\WinGet\\Packages\\Example.fastdl_Microsoft.Winget.Source_8wekyb3d8bbwe\\fastdl\\fastdl.exe"
            ),
            "winget",
            "winget upgrade --id Example.fastdl --exact",
        ),
        (
            bundle("C:\\Program Files\\WinGet\\Packages\\Example.fastdl_x\\fastdl.exe"),
            "winget",
            "winget upgrade --id Example.fastdl --exact",
        ),
        (
            bundle("C:\\Users\\ada\\AppData\\Local\\Microsoft\\WinGet\\Links\\fastdl.exe"),
            "winget",
            "winget upgrade fastdl",
        ),
        (bundle("C:\\Tools\\fastdl\\fastdl.exe", environ=CHOCO), ARCHIVE, ""),
        (bundle("C:\\Users\\scoop\\Downloads\\fastdl\\fastdl.exe"), ARCHIVE, ""),
        (bundle("/opt/homebrew/Cellar/fastdl/0.2.0/libexec/fastdl", "darwin"), "Homebrew", "brew upgrade fastdl"),
        (bundle("/home/user/fastdl/fastdl", "linux"), ARCHIVE, ""),
        (bundle("/opt/fastdl/fastdl", "linux"), ARCHIVE, ""),
        (bundle("/usr/local/lib/fastdl/fastdl", "linux"), ARCHIVE, ""),
        (bundle("/usr/lib/fastdl/fastdl", "linux"), SYSTEM, ""),
        (bundle("/snap/fastdl/12/fastdl", "linux"), "snap", "snap refresh fastdl"),
        (bundle("/nix/store/abc-fastdl/bin/fastdl", "linux"), "Nix", ""),
        (
            python("/home/user/.local/share/pipx/venvs/the-name", marks=frozenset({"pipx_metadata.json"})),
            "pipx",
            f"pipx upgrade {NAME}",
        ),
        (
            python("/home/user/.local/share/pipx/venvs/the-name-x", marks=frozenset({"pipx_metadata.json"})),
            "pipx",
            "pipx upgrade the-name-x",
        ),
        (
            python("/home/user/.local/share/uv/tools/the-name", installer="uv", marks=frozenset({"uv-receipt.toml"})),
            "uv tool",
            f"uv tool upgrade {NAME}",
        ),
        (python("/home/user/.cache/pipx/acd85a2f98f45d9", marks=frozenset({"pipx_metadata.json"})), "pipx run", ""),
        (python("/home/user/.cache/uv/archive-v0/SV7d591qUfMmROZy", installer="uv"), "uvx", ""),
        (python("/home/user/.cache/uv/builds-v0/.tmpOl4X3B", installer="uv"), "uvx", ""),
        (
            python("/opt/conda", installer="conda", marks=frozenset({"conda-meta"})),
            "conda",
            f"conda update --prefix /opt/conda {NAME}",
        ),
        (
            python("/opt/conda", marks=frozenset({"conda-meta"})),
            "pip",
            f"/opt/conda/bin/python -m pip install --upgrade {NAME}",
        ),
        (python(VENV), "pip", f"{VENV}/bin/python -m pip install --upgrade {NAME}"),
        (python("/home/user/my venv"), "pip", f"'/home/user/my venv/bin/python' -m pip install --upgrade {NAME}"),
        (python(VENV, installer="uv"), "uv", f"uv pip install --python {VENV}/bin/python --upgrade {NAME}"),
        (
            python("/usr", user=True, package="/home/user/.local" + SITE, program="/usr/bin/python3"),
            "pip",
            f"/usr/bin/python3 -m pip install --upgrade --user {NAME}",
        ),
        (
            python("C:\\Python312", "win32", program="C:\\Program Files\\Python312\\python.exe"),
            "pip",
            f'& "C:\\Program Files\\Python312\\python.exe" -m pip install --upgrade {NAME}',
        ),
        (
            python("C:\\Py", "win32", program="C:\\Py\\python.exe"),
            "pip",
            f"C:\\Py\\python.exe -m pip install --upgrade {NAME}",
        ),
        (python("/usr", package="/usr/lib/python3/dist-packages/fastdl", installer=""), SYSTEM, ""),
        (python("/usr", package="/usr/lib/python3/dist-packages/fastdl", installer="debian"), SYSTEM, ""),
        (
            python("/usr", package="/usr/local/lib/python3.12/dist-packages/fastdl", program="/usr/bin/python3"),
            "pip",
            f"/usr/bin/python3 -m pip install --upgrade {NAME}",
        ),
        (python(VENV, installer="poetry 1.8.3"), "poetry 1.8.3", ""),
        (python(VENV, origin={"url": "file:///home/user/fastdl", "dir_info": {"editable": True}}), "pip, editable", ""),
        (
            python(VENV, origin={"url": "file:///home/user/fastdl", "dir_info": {}}),
            "pip",
            f"{VENV}/bin/python -m pip install --upgrade file:///home/user/fastdl",
        ),
        (
            python(
                VENV, origin={"url": "https://example.org/fastdl.git", "vcs_info": {"vcs": "git", "commit_id": "0"}}
            ),
            "pip",
            f"{VENV}/bin/python -m pip install --upgrade '{NAME} @ git+https://example.org/fastdl.git'",
        ),
        (
            python(VENV, origin={"url": "https://example.org/x.whl", "archive_info": {}}),
            "pip",
            f"{VENV}/bin/python -m pip install --upgrade {NAME}",
        ),
        (python(VENV, name="", installer=""), SOURCE, ""),
    ],
    ids=lambda value: value.program[-40:] if isinstance(value, Facts) else None,
)
def test_ways(facts: Facts, by: str, command: str) -> None:
    way = way_of(facts)
    assert (way.by, way.command) == (by, command)
    assert way.replaces_itself is (by == ARCHIVE)
    assert bool(way.command) + bool(way.advice) + way.replaces_itself == 1, "one thing to do, and only one"


@pytest.mark.parametrize(
    ("program", "folder"),
    [("C:\\Tools\\fastdl\\fastdl.exe", "C:\\Tools\\fastdl"), ("/home/user/fastdl/fastdl", "/home/user/fastdl")],
)
def test_the_folder_of_an_archive(program: str, folder: str) -> None:
    assert way_of(bundle(program, "win32" if "\\" in program else "linux")) == Way(ARCHIVE, folder=folder)


def test_a_windows_store_is_none_on_other_systems() -> None:
    assert way_of(bundle("/home/user/scoop/apps/fastdl/fastdl", "linux")).by == ARCHIVE


def test_quotes_are_those_of_the_systems_shell() -> None:
    assert quoted(["a b", "it's", "x"], "linux") == "'a b' 'it'\\''s' x"
    assert quoted(["x", "a b"], "win32") == 'x "a b"'
    assert quoted(["a b", "x"], "win32") == '& "a b" x'

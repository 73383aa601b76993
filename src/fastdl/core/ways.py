"""How fastdl came onto this machine, told by where it lies and by what the installer left there; and the command that
brings a newer one in the same way.

What a package manager has put somewhere is its to replace: a file changed behind its back is lost at its next run, or
breaks it. So the only installation that fastdl replaces by itself is one that nobody manages: an unpacked archive.
Everything here is decided from plain facts; the paths may be those of another system.
"""

from __future__ import annotations

import re

from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.core.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

ARCHIVE, SOURCE, SYSTEM = "archive", "source", "system"
_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")  # needs no quotes in a POSIX shell

_UV_CACHE = re.compile(r"(archive|builds|environments)-v\d+")  # its folders for what runs once


class Facts(Record):
    """What is known of the running fastdl. Paths are absolute and without links.

    `program`: of a bundle, the file that runs, else that of the interpreter. `package`: the folder of the Python
    package. `prefix`: of the environment; `marks`: which of MARKS lie in it. `bundle`: it is a self-contained program.
    `name`, `installer`, `origin`: of the distribution's metadata: its name, INSTALLER and direct_url.json; empty where
    there are none. `user`: it lies in the user's own site folder."""

    program: str
    package: str = ""
    prefix: str = ""
    platform: str = "linux"
    environ: Mapping[str, str] = {}
    marks: frozenset[str] = frozenset()
    bundle: bool = False
    name: str = ""
    installer: str = ""
    origin: Mapping[str, Any] | None = None
    user: bool = False


MARKS = ("pipx_metadata.json", "uv-receipt.toml", "conda-meta")
"""Files by which tools know environments as their own."""


class Way(Record):
    """How it was installed. `by`: who did it, for people; `command`: what brings a newer one, "" where only words can
    say it; `advice`: those words; `folder`: of an unpacked archive."""

    by: str
    command: str = ""
    advice: str = ""
    folder: str = ""

    @property
    def replaces_itself(self) -> bool:
        return self.by == ARCHIVE


def way_of(facts: Facts) -> Way:
    """How fastdl was installed."""
    found = _by_store(facts)
    if found is not None:
        return found
    if facts.bundle:
        return _bundle(facts)
    return _by_tool(facts) or _by_metadata(facts)


def quoted(words: list[str], platform: str) -> str:
    """A command line that the system's usual shell takes as `words`."""
    if platform == "win32":
        line = " ".join(f'"{word}"' if re.search(r"[\s&()^;,']", word) else word for word in words)
        return "& " + line if line.startswith('"') else line  # PowerShell; cmd.exe wants it without
    return " ".join(word if _PLAIN.fullmatch(word) else "'" + word.replace("'", "'\\''") + "'" for word in words)


# --- by place --------------------------------------------------------------------------------------------


def _parts(path: str) -> list[str]:
    return [part for part in path.replace("\\", "/").split("/") if part]


def _behind(parts: list[str], *marks: str) -> str:
    """The part behind `marks` where these stand in a row, in any letter case; "" where they do not."""
    lower = [part.lower() for part in parts]
    for place in range(len(parts) - len(marks)):
        if lower[place : place + len(marks)] == list(marks):
            return parts[place + len(marks)]
    return ""


def _below(path: str, folder: str) -> list[str]:
    """The parts of `path` below `folder`; none where it is not there."""
    inner, outer = _parts(path), _parts(folder)
    same = [part.lower() for part in inner[: len(outer)]] == [part.lower() for part in outer]
    return inner[len(outer) :] if outer and same else []


def _by_store(facts: Facts) -> Way | None:
    """Stores of whole programs, which have a folder for each."""
    place = facts.program if facts.bundle else facts.package
    parts = _parts(place)
    if facts.platform == "win32":
        return _chocolatey(place, facts.environ) or _scoop(place, facts.environ) or _winget(parts)
    cellar = _behind(parts, "cellar")
    if cellar:
        return Way("Homebrew", f"brew upgrade {cellar}")
    if parts[:2] == ["nix", "store"]:
        return Way("Nix", advice="Update the Nix profile or the configuration that it comes from.")
    if parts[:1] == ["snap"]:
        return Way("snap", f"snap refresh {parts[1] if len(parts) > 1 else 'fastdl'}")
    return None


def _chocolatey(place: str, environ: Mapping[str, str]) -> Way | None:
    below = _below(place, environ.get("ChocolateyInstall", ""))
    own = below[1] if len(below) > 1 and below[0].lower() == "lib" else ""
    name = own or _behind(_parts(place), "chocolatey", "lib")
    return Way("Chocolatey", f"choco upgrade {name}") if name else None


def _winget(parts: list[str]) -> Way | None:
    """Its folders are called by the package's identity and the source."""
    identity = _behind(parts, "winget", "packages").split("_")[0]
    if identity:
        return Way("winget", f"winget upgrade --id {identity} --exact")
    return Way("winget", "winget upgrade fastdl") if _behind(parts, "winget", "links") else None


def _scoop(place: str, environ: Mapping[str, str]) -> Way | None:
    for variable, scope in (("SCOOP", ""), ("SCOOP_GLOBAL", "--global ")):
        below = _below(place, environ.get(variable, ""))
        if len(below) > 1 and below[0].lower() == "apps":
            return Way("Scoop", f"scoop update {scope}{below[1]}")
    name = _behind(_parts(place), "scoop", "apps")
    if not name:
        return None
    scope = "--global " if _below(place, environ.get("ProgramData") or "C:\\ProgramData") else ""
    return Way("Scoop", f"scoop update {scope}{name}")


def _bundle(facts: Facts) -> Way:
    if facts.platform != "win32" and _owned_by_system(facts.program):
        return _system()
    folder = re.sub(r"[\\/]+[^\\/]*$", "", facts.program)
    return Way(ARCHIVE, folder=folder)


def _owned_by_system(path: str) -> bool:
    parts = _parts(path)
    return parts[:1] in (["bin"], ["app"]) or (parts[:1] == ["usr"] and parts[1:2] != ["local"])


def _system() -> Way:
    advice = "Upgrade it with the system's package manager (apt, dnf, zypper, pacman...)."
    return Way(SYSTEM, advice=advice)


# --- by what Python's installers leave -------------------------------------------------------------------


def _by_tool(facts: Facts) -> Way | None:
    """Tools that give a program an environment of its own."""
    name = facts.name
    if not name:
        return None
    parts = _parts(facts.prefix)
    if "pipx_metadata.json" in facts.marks:
        if parts[-2:-1] != ["venvs"]:
            advice = f"It is in pipx's cache: 'pipx run --no-cache --spec {name} fastdl' takes the newest."
            return Way("pipx run", advice=advice)
        return Way("pipx", f"pipx upgrade {parts[-1]}")
    if any(_UV_CACHE.fullmatch(part) for part in parts):
        advice = f"It is in uv's cache: 'uvx --refresh-package {name} --from {name} fastdl' takes the newest."
        return Way("uvx", advice=advice)
    if "uv-receipt.toml" in facts.marks:
        return Way("uv tool", f"uv tool upgrade {name}")
    if "conda-meta" in facts.marks and facts.installer.lower() == "conda":
        return Way("conda", quoted(["conda", "update", "--prefix", facts.prefix, name], facts.platform))
    return None


def _by_metadata(facts: Facts) -> Way:
    if not facts.name:
        return Way(SOURCE, advice="It runs from its source: update the checkout (git pull).")
    origin = facts.origin or {}
    url = str(origin.get("url", ""))
    info = origin.get("dir_info")
    if isinstance(info, dict):
        if info.get("editable"):
            return Way("pip, editable", advice=f"It runs from its source: update the checkout at {url} (git pull).")
        return _pip(facts, [url])
    vcs = origin.get("vcs_info")
    if isinstance(vcs, dict):
        return _pip(facts, [f"{facts.name} @ {vcs.get('vcs', 'git')}+{url}"])
    installer = facts.installer.split()[0].lower() if facts.installer.strip() else ""
    if installer in ("pip", "uv"):
        if not facts.user and facts.prefix == "/usr" and "/dist-packages" in facts.package.replace("\\", "/"):
            return _system() if "/local/" not in facts.package else _pip(facts, [facts.name])
        return _pip(facts, [facts.name])
    if installer in ("", "debian", "rpm", "apk", "pacman", "portage"):
        return _system()
    advice = f"It was installed by {facts.installer.strip()}: upgrade it in the same way."
    return Way(facts.installer.strip(), advice=advice)


def _pip(facts: Facts, what: list[str]) -> Way:
    python = facts.program
    if facts.installer.strip().lower() == "uv":
        return Way("uv", quoted(["uv", "pip", "install", "--python", python, "--upgrade", *what], facts.platform))
    user = ["--user"] if facts.user else []
    return Way("pip", quoted([python, "-m", "pip", "install", "--upgrade", *user, *what], facts.platform))

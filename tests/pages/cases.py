"""What the documents' commands need to be run here, and the few that are not run here, with the reason.

Whoever writes a command into a document needs nothing of this as long as it takes its files from example.org, and its
lists and sums under the names of FILES. The tables are held small: an entry that fits no document any more is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pages import loopback
from pages.loopback import LARGE, SUMS, TEST, Loopback, digests

SHELLS = ("sh", "bash", "console")
WINDOWS = ("powershell", "bat")

# --- not run here ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NotRun:
    """A command that begins so, in this document. `why` says who runs it instead, or what it would take. With
    `spelled`, its options are held against its `--help`."""

    document: str
    begins: str
    why: str
    spelled: bool = False


_SETUP = "installs this very tree: .ci/run and the workflow run it word for word (tests/project/test_commands.py)"
_TOOLS = "tests/project/test_tools.py runs it"
_BENCH = "takes minutes, and servers that are not everywhere: tests/benches run its parts"

_PUBLISHES = "needs a release and the right to change it: .github/workflows/release.yml and smoke.yml do the same"
_MANAGERS = "a package manager of Windows: packaging/smoke.ps1 runs each of them on GitHub's machines"
_WINDOWS = "a setting of Windows"
_PACKS = "builds for minutes into this tree: tests/packaging run its parts, .ci/run the whole"

_RECIPE = "takes another program and its servers: tests/recipes runs it"

NOT_RUN = (
    NotRun("README.md", "python3 -m venv .venv && ", _SETUP),
    NotRun("CONTRIBUTING.md", ".venv/bin/pytest", "it would run this test again: .ci/run runs it"),
    NotRun("CONTRIBUTING.md", ".venv/bin/ruff", _TOOLS),
    NotRun("CONTRIBUTING.md", ".venv/bin/mypy", _TOOLS),
    NotRun("CONTRIBUTING.md", ".venv/bin/lint-imports", _TOOLS),
    NotRun(
        "CONTRIBUTING.md", ".venv/bin/python -m fastdl.manual", "writes into this tree: tests/project/test_manual.py"
    ),
    NotRun("README.md", "fastdl upgrade --check", "asks where releases lie: tests/cli/test_upgrade.py"),
    NotRun("docs/cluster.md", "fastdl get -i list.txt", "needs a cluster: tests/cluster runs it", spelled=True),
    NotRun("README.md", "py -m venv .venv && ", _SETUP),
    NotRun("docs/index.md", "python3 -m venv .venv && ", _SETUP),
    NotRun(
        "CONTRIBUTING.md", ".venv/bin/mkdocs serve", "serves until it is ended; tests/docs/test_site.py builds the site"
    ),
    NotRun("CONTRIBUTING.md", "PYTHONPATH=src:tests .venv/bin/python -m pages.play", "writes into this tree"),
    *(NotRun("docs/release.md", begins, _PUBLISHES) for begins in ("git ", "gh ", "sha256sum ", "choco ", "winget ")),
    *(NotRun("docs/rollback.md", begins, _PUBLISHES) for begins in ("gh ", "git ")),
    *(NotRun("docs/companies.md", begins, _PUBLISHES) for begins in ("gh ", "sha256sum ", "pip ")),
    *(NotRun("docs/companies.md", begins, _MANAGERS) for begins in ("choco ", "scoop ", "winget ", "(Get-", "setx ")),
    *(
        NotRun("docs/windows.md", begins, _WINDOWS)
        for begins in ("(Get-", "Unblock", "New-Item", "$env:", "setx ", "Get-")
    ),
    *(NotRun("packaging/README.md", begins, _PACKS) for begins in ("python packaging ", "python3 packaging ")),
    NotRun("packaging/README.md", "sudo apt-get ", "changes the system: .ci/run installs the same"),
    NotRun("packaging/README.md", "uv pip compile ", "asks a package index for the newest of everything"),
    NotRun("packaging/README.md", "WINEPREFIX=", "takes minutes and wine: packaging/ci builds it"),
    NotRun("packaging/README.md", "packaging/ci", "takes minutes and installs packages: .ci/run runs it"),
    *(
        NotRun("docs/recipes-python.md", begins, _RECIPE)
        for begins in ("pip ", "python3 wheels.py", "fastdl get -i wheels", "uv ")
    ),
    *(
        NotRun("docs/recipes-video.md", begins, _RECIPE)
        for begins in ("yt-dlp ", "[ ", "args=()", "for arg", "  [", "done", "exec ")
    ),
    *(NotRun("docs/recipes-windows.md", begins, _MANAGERS) for begins in ("Get-Early ", "scoop ", "winget ")),
    NotRun("docs/performance.md", ".venv/bin/python -m benches  ", _BENCH),
    NotRun("docs/performance.md", ".venv/bin/python -m benches --", _BENCH, spelled=True),
    NotRun("docs/performance.md", ".venv/bin/python -m benches run ", _BENCH, spelled=True),
    NotRun("docs/performance.md", ".venv/bin/python -m benches.report ", "reads results of earlier runs", spelled=True),
    NotRun("docs/performance.md", ".venv/bin/python -m benches.mirrors ", _BENCH, spelled=True),
    NotRun("docs/performance.md", "python -m benches run ", _BENCH, spelled=True),
)


def not_run(document: str, command: str) -> NotRun | None:
    """The entry for a command, if it is one of those."""
    fitting = (entry for entry in NOT_RUN if entry.document == document and command.startswith(entry.begins))
    return next(fitting, None)


# --- how they end ----------------------------------------------------------------------------------------------

# (document, a part of the command) -> its exit code, where the document says that it is not 0.
CODES: Mapping[tuple[str, str], int] = {}


def typed_at(command: str) -> str | None:
    """What is typed at the terminal while it runs; None: it has no terminal."""
    asks = re.search(r"(?:-u|--user)[ =]alice(?![:\w])", command)
    return f"{loopback.PASSWORD}\n" if asks else None


def code_of(document: str, script: str) -> int:
    """The exit code that a script is to have."""
    found = (code for (where, part), code in CODES.items() if where == document and part in script)
    return next(found, 0)


# --- what is there before --------------------------------------------------------------------------------------

_SUMS = "".join(f"{loopback.sha256(TEST)}  {name}\n" for name in SUMS).encode()
_CURL = b"curl 'https://example.org/f' -H 'Accept: */*'\n"

# What a command may read, by name: words that stand behind one of READS are put there before it runs.
FILES: Mapping[str, bytes] = {
    **dict.fromkeys(SUMS, TEST),
    "disk.iso": TEST,
    "file.iso": LARGE,
    "rules.toml": b'[[rule]]\nmetric = "failures"\nabove = "50%"\n',
    "SHA256SUMS": _SUMS,
    "list.txt": b"https://example.org/f\nhttps://example.org/g\n",
    "cookies.txt": b"# Netscape HTTP Cookie File\nexample.org\tFALSE\t/\tTRUE\t0\tname\tvalue\n",
    "curl.txt": _CURL,
    "request.txt": _CURL,
}
CERTIFICATES = ("company.pem", "ca.pem")  # the authority of this world
HOME: Mapping[str, bytes] = {
    ".netrc": f"machine example.org login {loopback.USER} password {loopback.PASSWORD}\n".encode(),
}
VARIABLES: Mapping[str, str] = {"TOKEN": "a-token"}
_OPTIONS = ("-i", "-c", "-b", "--input-file", "--cookies", "--cacert", "--from-curl", "--check", "verify")
READS = re.compile(rf"(?:{'|'.join(_OPTIONS)}) (\w[\w./-]*)")


def files_for(script: str, world: Loopback) -> dict[str, bytes]:
    """The files that a script reads and does not make itself; with a list of sums those that it names."""
    names = {*READS.findall(script)}
    for checked in re.findall(r"\bverify ([^\n#;&|]*)", script):
        names |= {word for word in checked.split() if word in FILES}
    if "SHA256SUMS" in names:
        names |= {*SUMS}
    names = {name for name in names if not _makes(script, name)}
    known = {**FILES, **dict.fromkeys(CERTIFICATES, world.authority)}
    unknown = names - set(known)
    assert not unknown, f"{unknown}: no such file in tests/pages/cases.py, for: {script}"
    return {name: known[name] for name in sorted(names)}


def _makes(script: str, name: str) -> bool:
    """Whether a script of several commands fetches or writes a file of that name."""
    fetched = rf"get [^\n]*https?://\S*/{re.escape(name)}(?!\S)"
    return re.search(rf"(?:>>? ?|-o ){re.escape(name)}(?!\S)|{fetched}", script) is not None


# --- from what is written to what is run -----------------------------------------------------------------------


def runnable(command: str, world: Loopback) -> str:
    """A command with the placeholders of documents replaced: URL1, abbreviated and invented digests, the address of a
    proxy, the port to listen at."""
    command = re.sub(r"\bURL(\d?)\b(?!=)", r"https://example.org/url\1", command)
    command = re.sub(r"(--metrics[ =][\w.\[\]:]*:)\d+\b", r"\g<1>0", command)
    command = command.replace("0123456789abcdef" * 4, loopback.sha256(TEST))
    command = re.sub(r"\b(sha256[:=])([0-9a-f]{4,})(?:…|\.\.\.)", lambda match: match[1] + whole(match[2]), command)
    command = re.sub(r"(--metrics [\w.\[\]:]*):\d+", r"\1:0", command)  # the port may be somebody else's here
    proxy = r"(--proxy[ =]|\w+_(?:proxy|PROXY)=)(\w+://)((?:[^@\s/]*@)?)[\w.-]+(?::\d+)?"
    return re.sub(proxy, lambda match: f"{match[1]}{match[2]}{match[3]}{world.proxy}", command)


def whole(beginning: str) -> str:
    """The digest that begins so."""
    found = [digest for digest in digests() if digest.startswith(beginning)]
    assert found, f"no file of tests/pages/loopback.py has a SHA-256 that begins with {beginning}"
    return found[0]


def is_menu(commands: list[str]) -> bool:
    """Whether each line stands for itself: several lines, explained one by one, none of which prepares another."""
    explained = sum(re.search(r"\s{2,}# ", command) is not None for command in commands)
    prepares = any(re.match(r"\w+=|cd |export |for |while |if ", command) for command in commands)
    return len(commands) > 1 and explained * 2 >= len(commands) and not prepares

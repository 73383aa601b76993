"""Records what curl and aria2 make of every misbehaviour: `python -m servers.peers` (in tests/) writes peers.json.

Per case and tool: [exit code, "right" | "wrong" | "none", "met" | "unmet"]; "wrong" means that bytes stand under the
final name which are not the file, "unmet" that the tool never asked in a way that shows the misbehaviour. A reading aid
for the verdicts of the table and no test: the tools' versions differ.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .misbehave import Case, table
from .raw import RawServer

RECORD = Path(__file__).with_name("peers.json")
_TIME = 12.0  # seconds; curl and aria2 have bounds of their own below
_LIMIT = "32M"  # curl's bound for bodies that never end


def _commands(case: Case, url: str, checksum: str | None) -> dict[str, list[str]]:
    curl = ["curl", "-q", "-sSfL", "--noproxy", "*", "--max-time", "8", "--speed-time", "2", "--speed-limit", "1"]
    curl += ["--retry", "2", "--retry-max-time", "6", "--max-filesize", _LIMIT, "-o", case.saved]
    aria2 = ["aria2c", "--no-conf", "-q", "-x4", "-s4", "-k1M", "--no-proxy=*", "-t2", "--connect-timeout=2"]
    aria2 += ["-m3", "--retry-wait=1", "--allow-overwrite=true", "--auto-file-renaming=false", "-o", case.saved]
    aria2 += [f"--checksum=sha-256={checksum}"] if checksum else []
    user = ["-u", "me:pw"] if "-u" in case.options else []
    return {"curl": [*curl, *user, url], "aria2": [*aria2, url]}


def observe(case: Case, tool: str) -> list[object]:
    """Run one tool against a fresh server of one case."""
    app = case.make()
    checksum = app.sha256() if case.checksum else None
    with (
        tempfile.TemporaryDirectory() as folder,
        RawServer(case.handler(app), listeners=case.listeners) as server,
    ):
        command = _commands(case, server.url(case.path), checksum)[tool]
        try:
            code = subprocess.run(command, cwd=folder, capture_output=True, timeout=_TIME, check=False).returncode
        except subprocess.TimeoutExpired:
            code = -1
        met = "met" if app.met else "unmet"
        saved = Path(folder, case.saved)
        if not saved.exists() or Path(folder, case.saved + ".aria2").exists():
            return [code, "none", met]
        right = saved.read_bytes() in (app.bytes(), *app.versions)
        return [code, "right" if right else "wrong", met]


def main() -> None:
    """Make the record anew."""
    only = set(sys.argv[1:])
    cases = [case for case in table() if not only or case.name in only]
    known = json.loads(RECORD.read_text("utf-8")) if only and RECORD.exists() else {}
    with ThreadPoolExecutor(4) as pool:
        jobs = {case.name: {tool: pool.submit(observe, case, tool) for tool in ("curl", "aria2")} for case in cases}
        for name, tools in jobs.items():
            known[name] = {tool: job.result() for tool, job in tools.items()}
    lines = [f"  {json.dumps(name)}: {json.dumps(known[name])}" for name in sorted(known)]
    RECORD.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


if __name__ == "__main__":
    main()

"""What a check of `fastdl doctor` has found, and how all checks are run within a bounded time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from fastdl.core.record import Record
from fastdl.errors import FastdlError

OK = "ok"
INFO = "info"
WRONG = "wrong"

# In the order in which they are shown.
CHECKS = (
    "config", "program", "terminal", "disk", "state", "trust", "proxy", "dns", "ipv4", "ipv6", "tls", "http", "clock",
)  # fmt: skip


class Finding(Record):
    """One line of the report. `check`: one of CHECKS; `status`: ok, info (nothing to be done about it) or wrong;
    `text`: what is there; `advice`: what to do, "" where there is nothing."""

    check: str
    status: str
    text: str
    advice: str = ""


Tell = Callable[[Finding], None]


class Check(Record):
    """Something to examine. `names`: the checks that it tells of, in their order; `run` is given who is told."""

    names: tuple[str, ...]
    run: Callable[[Tell], None]


def of_error(check: str, error: FastdlError, advice: str = "") -> Finding:
    """An error as something that is wrong."""
    return Finding(check, WRONG, f"{error.what} ({error.why})" if error.why else error.what, advice or error.hint)


def run_all(checks: Sequence[Check], seconds: float) -> list[Finding]:
    """Run all checks at once, `seconds` at most; what is not ready then is said to hang, and left to itself. Raises
    what is no failure of the machine but a fault of a check."""
    found: list[Finding] = []
    faults: list[BaseException] = []
    lock = threading.Lock()

    def tell(finding: Finding) -> None:
        with lock:
            found.append(finding)

    def work(check: Check) -> None:
        try:
            check.run(tell)
        except FastdlError as error:
            tell(of_error(check.names[0], error))
        except OSError as error:
            tell(Finding(check.names[0], INFO, f"cannot be told: {(error.strerror or str(error)).lower()}"))
        except Exception as error:
            faults.append(error)

    deadline = time.monotonic() + seconds
    threads = [threading.Thread(target=work, args=(check,), name="fastdl-doctor", daemon=True) for check in checks]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive() and time.monotonic() < deadline:
            thread.join(0.1)  # in short waits, so that Ctrl-C gets through on Windows too
    if faults:
        raise faults[0]
    with lock:
        told = list(found)
    for check, thread in zip(checks, threads, strict=True):
        if thread.is_alive():
            told.append(_hanging(check, {finding.check for finding in told}, seconds))
    return sorted(told, key=lambda finding: CHECKS.index(finding.check))


def _hanging(check: Check, told: set[str], seconds: float) -> Finding:
    name = next((name for name in check.names if name not in told), check.names[-1])
    return Finding(name, WRONG, f"no result within {seconds:g} s", "Try again; if it stays so, something hangs there.")

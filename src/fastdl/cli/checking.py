"""`fastdl stats --check RULES`: exit 1 where the history passes a threshold; for cron and its relatives."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from fastdl.cli.state import check, open_store, say
from fastdl.config_text import parsed
from fastdl.core.threshold_rules import rules_of
from fastdl.core.thresholds import Rule, judge
from fastdl.errors import UsageError
from fastdl.io.list_file import chunks_of, name_of
from fastdl.ui.checked import as_object, lines
from fastdl.ui.text import safe

PASSED = 1  # the exit code where a threshold is passed
MOST_BYTES = 1 << 20  # of a file of rules


def checked(path: str, *, as_json: bool, quiet: bool) -> int:
    """Holds the history against the rules in the file `path`, "-" for stdin; the exit code. `quiet`: nothing is said of
    rules that hold. Raises UsageError for the rules, DiskError if the history cannot be read."""
    rules = read_rules(path)
    store = open_store()
    entries = store.history()
    check(store)
    now = time.time()
    findings = [judge(rule, entries, now) for rule in rules]
    if as_json:
        say([json.dumps(as_object(findings))])
    else:
        say(safe(line) for line in lines(findings, only_failed=quiet))
    return PASSED if any(finding.status == "fail" for finding in findings) else 0


def _chunks(path: str, name: str) -> Iterator[bytes]:
    try:
        yield from chunks_of(path)
    except UsageError as error:
        raise UsageError(f"the rules in {name} cannot be read", error.why, error.hint) from None


def read_rules(path: str) -> list[Rule]:
    """The rules in a file. Raises UsageError that names the file, the line and the key."""
    name = safe(name_of(path))
    if not path:
        raise UsageError("the option --check needs a file", "its name is empty", "docs/monitoring.md has examples.")
    content = bytearray()
    for chunk in _chunks(path, name):
        content += chunk
        if len(content) > MOST_BYTES:
            raise UsageError(
                f"{name} is too large for a file of rules", f"at most {MOST_BYTES} bytes", "Check the path."
            )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8", f"byte {error.start}", "Save it as UTF-8.") from None
    text = text.replace("\r\n", "\n")
    return rules_of(parsed(text, name) if text.strip() else {}, text, name)

"""What `stats --check` found: a line a rule for people, an object for programs."""

from __future__ import annotations

from collections.abc import Sequence

from fastdl.core.hints import Any
from fastdl.core.quantity import format_rate, format_seconds, format_size
from fastdl.core.thresholds import SHARES, Finding, Rule

_WORDS = {"ok": "ok", "fail": "FAIL", "no data": "no data"}
_WIDTH = 7
_WHAT = {
    "throughput": "median throughput",
    "duration": "median duration",
    "failures": "failed downloads",
    "errors": "faults a download",
    "waste": "wasted bytes",
    "downloads": "downloads a day",
    "volume": "bytes a day",
}


def lines(findings: Sequence[Finding], *, only_failed: bool = False) -> list[str]:
    """One line a rule, in the order of the file."""
    return [_line(finding) for finding in findings if finding.status == "fail" or not only_failed]


def _line(finding: Finding) -> str:
    return f"{_WORDS[finding.status]:<{_WIDTH}}  {title(finding.rule)}: {sentence(finding)}"


def title(rule: Rule) -> str:
    """The rule's own name, else what it watches."""
    return rule.name or _WHAT[rule.metric] + (f" of {rule.host}" if rule.host else "")


def sentence(finding: Finding) -> str:
    """What was found, and what is allowed."""
    rule = finding.rule
    if finding.status == "no data":
        return _too_few(finding)
    told = f"{_amount(rule.metric, finding.value)} in the last {_days(rule.days)}{_of(finding.seen)}"
    if rule.compares:
        told += f", {_amount(rule.metric, finding.before)} in the {_days(rule.against)} before"
        told += f"{_of(finding.seen_before)}: {_change(finding)}"
    return f"{told}; it fails if it {_threshold(rule)}"


def _too_few(finding: Finding) -> str:
    rule = finding.rule
    enough = finding.value is not None
    count = finding.seen_before if enough else finding.seen
    span = f"in the {_days(rule.against)} before" if enough else f"in the last {_days(rule.days)}"
    return f"{count} such download{'' if count == 1 else 's'} {span}, {rule.least} are needed"


def _change(finding: Finding) -> str:
    if finding.change is None:
        return "unchanged" if finding.value == finding.before else "it was 0"
    percent = round(100 * finding.change)
    if not percent:
        return "unchanged"
    return f"it {'rose' if percent > 0 else 'fell'} by {abs(percent)} %"


def _threshold(rule: Rule) -> str:
    parts = []
    if rule.fell_by is not None:
        parts.append(f"fell by {_percent(rule.fell_by)} or more")
    if rule.rose_by is not None:
        parts.append(f"rose by {_percent(rule.rose_by)} or more")
    if rule.below is not None:
        parts.append(f"is below {_amount(rule.metric, rule.below)}")
    if rule.above is not None:
        parts.append(f"is above {_amount(rule.metric, rule.above)}")
    return " and ".join(parts)


def _amount(metric: str, value: float | None) -> str:
    if value is None:
        return "?"
    if metric == "throughput":
        return format_rate(value)
    if metric == "volume":
        return format_size(value)
    if metric == "duration":
        return format_seconds(value)
    return _percent(value) if metric in SHARES else f"{value:.3g}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _days(days: float) -> str:
    return "day" if days == 1 else f"{days:g} days"


def _of(count: int) -> str:
    return f" ({count} download{'' if count == 1 else 's'})"


def as_object(findings: Sequence[Finding]) -> dict[str, Any]:
    """The object of `stats --check --json`."""
    return {
        "failed": sum(finding.status == "fail" for finding in findings),
        "rules": [
            {
                "name": title(finding.rule),
                "line": finding.rule.line,
                "metric": finding.rule.metric,
                "host": finding.rule.host or None,
                "status": finding.status,
                "value": finding.value,
                "before": finding.before,
                "change": finding.change,
                "downloads": finding.seen,
                "downloads_before": finding.seen_before if finding.rule.compares else None,
                "text": sentence(finding),
            }
            for finding in findings
        ],
    }

"""The names of the metrics: valid for Prometheus' own parser, after its conventions, and all documented."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from fastdl.engine.metering import Counts, Traffic
from fastdl.engine.metrics import CODES, Usage, families, text, usage
from servers.real import package

text_string_to_metric_families = package("prometheus_client.parser").text_string_to_metric_families

FULL = Counts(
    began=1.5,
    running=1,
    ended=Counter({0: 2, 8: 1}),
    seconds=3.25,
    resumed=4,
    digests=Counter(verified=1),
    traffic={("a.example.org", "origin"): Traffic(10, 1, 2, 3, 4, 5), ('b"\\\n', "official"): Traffic()},
    connections=Counter({"a.example.org": 2}),
    missing=7,
    speed=1e6,
)


def test_prometheus_reads_all_of_it() -> None:
    read = {family.name: family for family in text_string_to_metric_families(text(FULL, Usage(1.0, 2), ended=9.0))}
    received = {tuple(s.labels.values()): s.value for s in read["fastdl_received_bytes"].samples}
    assert received == {("a.example.org", "origin"): 10, ('b"\\\n', "official"): 0}
    ended = {s.labels["exit_code"]: s.value for s in read["fastdl_downloads"].samples}
    assert ended == {str(code): 0 for code in CODES} | {"0": 2, "8": 1}
    assert {s.name: s.value for s in read["fastdl_download_duration_seconds"].samples} == {
        "fastdl_download_duration_seconds_sum": 3.25,
        "fastdl_download_duration_seconds_count": 3,
    }
    assert len(read) == len(list(families(FULL, Usage(1.0, 2), 9.0)))


def test_names_follow_the_conventions() -> None:
    for family in families(FULL, Usage(1.0, 2), 9.0):
        assert re.fullmatch(r"fastdl_[a-z_]+", family.name)
        assert family.name.endswith("_total") == (family.kind == "counter"), family.name
        assert family.help.endswith(".")
        for sample in family.samples:
            assert {name for name, _ in sample.labels} <= {
                "host", "trust", "exit_code", "result", "version", "python", "platform",
            }  # fmt: skip


def test_every_series_of_a_run_is_there_once() -> None:
    lines = [line.rpartition(" ")[0] for line in text(FULL, Usage(1.0, 2)).splitlines() if line[0] != "#"]
    assert len(lines) == len(set(lines))


def test_what_the_system_does_not_tell_is_left_out() -> None:
    names = [family.name for family in families(Counts(), Usage(1.0, None))]
    assert "fastdl_process_resident_memory_bytes" not in names
    assert "fastdl_end_time_seconds" not in names


def test_the_usage_of_this_process() -> None:
    used = usage()
    assert used.cpu > 0
    assert used.memory is not None and used.memory > 1 << 20


def test_the_document_lists_every_metric_and_no_other() -> None:
    path = Path(__file__).resolve().parents[2] / "docs/monitoring.md"
    section = path.read_text(encoding="utf-8").split("\n## Metrics\n", 1)[1].split("\n## ")[0]
    rows = [line.split("|")[1:4] for line in section.splitlines() if line.startswith("| `")]
    written = {re.findall(r"`(\w+)`", row[0])[0]: (row[1].strip(), re.findall(r"`(\w+)`", row[2])) for row in rows}
    found = {
        family.name: (family.kind, [name for name, _ in family.samples[0].labels])
        for family in families(FULL, Usage(1.0, 2), 9.0)
    }
    assert written == found

"""What is served is always the same and does not compress, and a tool that cheats is found out."""

from __future__ import annotations

import os
import shutil
import urllib.request
import zlib
from pathlib import Path

import pytest

from benches import files
from benches.harness import RunFailed
from benches.row import Skip
from benches.server import Nginx, find_nginx
from benches.text import MIB, align, parse_size, size_text


def test_the_file_is_the_same_at_each_call_and_does_not_compress(tmp_path: Path) -> None:
    one, two = (files.make_file(tmp_path / name, 2 * MIB + 5) for name in ("one", "two"))
    data = one.path.read_bytes()
    assert len(data) == 2 * MIB + 5
    assert data == two.path.read_bytes()
    assert one.digest == two.digest == files.digest_of(one.path)
    assert len(zlib.compress(data, 1)) > len(data)


def test_a_wrong_file_is_found_out(tmp_path: Path) -> None:
    source = files.make_file(tmp_path / "file.bin", MIB)
    target = tmp_path / "out"
    with pytest.raises(RunFailed, match="left no file"):
        files.check_file("cheat", target, source)
    target.write_bytes(source.path.read_bytes())
    files.check_file("honest", target, source)
    with target.open("r+b") as file:
        file.write(bytes([source.path.read_bytes()[0] ^ 1]))
    with pytest.raises(RunFailed, match="cheat brought a wrong file"):
        files.check_file("cheat", target, source)


def test_many_files_differ_and_each_is_checked(tmp_path: Path) -> None:
    names = files.make_many(tmp_path / "root", 5, 100)
    assert len({(tmp_path / "root" / name).read_bytes() for name in names}) == 5
    shutil.copytree(tmp_path / "root", tmp_path / "out")
    files.check_many("tool", tmp_path / "out", tmp_path / "root", names)
    (tmp_path / "out" / names[3]).write_bytes(b"x" * 100)
    with pytest.raises(RunFailed, match=f"wrong {names[3]}"):
        files.check_many("tool", tmp_path / "out", tmp_path / "root", names)
    (tmp_path / "out" / names[0]).unlink()
    with pytest.raises(RunFailed, match=f"left no {names[0]}"):
        files.check_many("tool", tmp_path / "out", tmp_path / "root", names)


def test_without_room_a_row_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benches.machine.free_space", lambda folder: 100 * MIB)
    files.need_room(tmp_path, 30 * MIB)
    with pytest.raises(Skip, match="no room for 1 GiB"):
        files.need_room(tmp_path, 1024 * MIB)


def test_nginx_serves_and_is_gone_afterwards(tmp_path: Path) -> None:
    if find_nginx() is None:
        if os.environ.get("FASTDL_REQUIRE_SERVERS") == "1":
            pytest.fail("nginx is not installed")
        pytest.skip("nginx is not installed")
    with files.served(tmp_path, MIB) as (server, source):
        assert isinstance(server, Nginx)
        with urllib.request.urlopen(server.url(source.path.name), timeout=10) as answer:
            assert answer.read() == source.path.read_bytes()
        addresses = {server.url("f"), server.url("f", tls=True), server.url("f", http2=True)}
        assert len(addresses) == 3
    assert list(tmp_path.iterdir()) == []


def test_sizes_are_read_and_written() -> None:
    assert [parse_size(text) for text in ("1", "2k", "3M", "1G")] == [1, 2048, 3 * MIB, 1 << 30]
    for wrong in ("", "0", "1T", "M", "1.5M", "-1"):
        with pytest.raises(ValueError, match="is no size"):
            parse_size(wrong)
    assert [size_text(size) for size in (5, 1536, 16 * MIB, 1 << 30)] == ["5 B", "1.5 KiB", "16 MiB", "1 GiB"]


def test_a_table_is_aligned_as_its_second_line_says() -> None:
    text = align([("name", "seconds"), ("---", "---:"), ("a", "1.0"), ("longer", "-")])
    assert text.splitlines() == [
        "| name   | seconds |",
        "| ------ | ------: |",
        "| a      |     1.0 |",
        "| longer |       - |",
    ]

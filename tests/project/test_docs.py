"""What the documents promise is what the code has: options, exit codes, JSON keys, masked names, settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastdl import errors, options
from fastdl.cli.verify import OWN_OPTIONS as VERIFY_OWN
from fastdl.core.shown import mask
from fastdl.result import DigestReport, Result, SourceReport

ROOT = Path(__file__).resolve().parents[2]
CLI = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
VERIFY = (ROOT / "docs/verify.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def rows(text: str, heading: str) -> Iterator[list[str]]:
    """The cells of the tables between this heading and the next one of its level or above."""
    level = heading.split()[0]
    section = text.split(f"\n{heading}\n", 1)[1]
    section = re.split(rf"\n#{{1,{len(level)}}} ", section)[0]
    for line in section.splitlines():
        if line.startswith("| ") and not re.match(r"\| (option|code|key|command) \|", line):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def documented(command: str) -> dict[str, tuple[str, str]]:
    """Long name -> (short letter, what stands behind the name) of every option of a command in the reference."""
    found = {}
    for cells in rows(CLI, f"## Options of `{command}`"):
        for spelled in re.findall(r"`([^`]*)`", cells[0]):
            match = re.fullmatch(r"(?:-(\w), )?--([\w-]+)(?: (.+))?", spelled)
            assert match, spelled
            found[match[2]] = (match[1] or "", (match[3] or "").replace("\\|", "|"))
    return found


@pytest.mark.parametrize(
    ("command", "table"),
    [("get", options.OPTIONS), ("explain", options.EXPLAIN_OPTIONS), ("verify", VERIFY_OWN)],
)
def test_the_reference_names_every_option_and_no_other(command: str, table: tuple[options.Option, ...]) -> None:
    expected = {}
    for option in table:
        expected[option.name] = (option.short, option.metavar or ("TEXT" if option.takes_value else ""))
        if option.negatable:
            expected[f"no-{option.name}"] = ("", "")
    assert documented(command) == expected


def test_every_number_that_the_reference_gives_as_default_is_the_codes() -> None:
    for cells in rows(CLI, "## Options of `get`"):
        match = re.search(r"--([\w-]+)", cells[0])
        assert match
        option = options.BY_KEY[match[1].replace("-", "_")]
        given = re.search(r"\((\w+)(?:; [^)]*)?\)$", cells[1].split("; `0`")[0])
        if option.default and re.fullmatch(r"\d+\w?|on|none", option.default):
            assert given and given[1] == option.default, option.name


def leaves(kind: type[errors.FastdlError]) -> Iterator[type[errors.FastdlError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from leaves(child)


@pytest.mark.parametrize("text", [README, CLI], ids=["README", "reference"])
def test_exit_codes(text: str) -> None:
    written = [code for cells in rows(text, "## Exit codes") for code in cells[0].split(", ")]
    raised = {kind.code for kind in leaves(errors.FastdlError)}
    assert [int(code) for code in written] == sorted({0} | raised)


def test_json_keys() -> None:
    digest = DigestReport("sha256", "00", "user")
    result = Result(
        "https://example.org/f", digest=digest, sources=[SourceReport("https://example.org/f", "example.org")]
    )
    keys = result.to_json()
    table = list(rows(CLI, "## JSON"))
    assert [name for cells in table for name in re.findall(r"`(\w+)`", cells[0])] == list(keys)
    for part in ("digest", "sources"):
        (meaning,) = (cells[1] for cells in table if cells[0] == f"`{part}`")
        inner = keys[part] if part == "digest" else keys[part][0]
        assert [name for name in re.findall(r"`(\w+)`", meaning) if name in inner] == list(inner)


def test_the_keys_of_explain() -> None:
    from fastdl.engine.explaining.explain import explain
    from fastdl.settings import Settings

    told = explain(Settings(), "https://example.org/f", offline=True)
    table = list(rows(CLI, "## What `explain` says"))
    assert [name for cells in table for name in re.findall(r"`(\w+)`", cells[0])] == list(told)
    for part, inner in (("sources", told["sources"][0]), ("digest", told["digest"]), ("plan", told["plan"])):
        (meaning,) = (cells[1] for cells in table if cells[0] == f"`{part}`")
        assert [name for name in re.findall(r"`(\w+)`", meaning) if name in inner] == list(inner)


def test_the_keys_of_mirrors() -> None:
    from fastdl.core.inventory import Choice, inventory
    from fastdl.engine.explaining.ranking import UNMEASURED
    from fastdl.io.rules_file import load_pack
    from fastdl.ui.mirrors import listed

    pack = load_pack()
    told = listed([entry for entry in inventory(pack, pack, Choice()) if entry.places], Choice(), {})
    first, *tables = CLI.split("\n## What `mirrors` says\n", 1)[1].split("\n## ")[0].split("| key | meaning |\n")[1:]
    rule = told["rules"][0]
    listed_keys = re.findall(r"`(\w+)`", next(line for line in first.splitlines() if line.startswith("| `rules`")))
    expected = ["rules", *rule, *rule["digests"][0], *rule["mirrors"][0]]
    assert sorted(listed_keys) == sorted(expected)
    sources = next(line for line in tables[0].splitlines() if line.startswith("| `sources`"))
    assert set(UNMEASURED) <= set(re.findall(r"`(\w+)`", sources))


def test_the_keys_of_verify() -> None:
    from fastdl.core.ranges import RangeSet
    from fastdl.engine.verifying.verify import Checked, Mended

    told = Checked("f", mended=Mended(1, RangeSet([(0, 1)]), 1, 1)).to_json()
    table = list(rows(VERIFY, "## JSON"))
    assert [name for cells in table for name in re.findall(r"`(\w+)`", cells[0])] == list(told)
    (meaning,) = (cells[1] for cells in table if cells[0] == "`repaired`")
    assert re.findall(r"`(\w+)`", meaning) == list(told["repaired"])


def test_settings_that_are_no_options() -> None:
    (table,) = re.findall(r"the file alone:\n\n(.*?)\n\n", CLI, re.DOTALL)
    assert re.findall(r"^\| `([\w-]+)` ", table, re.MULTILINE) == [option.name for option in options.SETTINGS]


def test_every_masked_name_is_masked() -> None:
    names = CLI.split("the query names ", 1)[1].split(" and all that begin with ")
    plain = re.findall(r"`(\w+)`", names[0].replace("\n", " "))
    prefixes = re.findall(r"`([\w-]+-)`", names[1].split("in either letter case")[0])
    assert len(plain) > 15
    assert len(prefixes) == 4
    for name in [*plain, *(f"{prefix}Thing" for prefix in prefixes)]:
        for spelled in (name, name.upper()):
            assert "s3cr3t" not in mask(f"https://example.org/f?a=1&{spelled}=s3cr3t"), spelled


def test_the_example_of_a_config_file_is_valid(tmp_path: Path) -> None:
    from fastdl import config

    (example,) = re.findall(r"```toml\n(.*?)```", CLI, re.DOTALL)
    path = tmp_path / "config.toml"
    path.write_text(example, encoding="utf-8")
    settings = config.load({}, {}, str(path))
    assert (settings.connections, settings.limit_rate, settings.remote_time) == (4, 2 << 20, False)
    assert settings.headers == [("X-Team", "build")]


def test_the_layout_names_every_module_and_package_of_the_first_level() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    named = {name for cells in rows(text, "## Layout") for name in re.findall(r"`(\w+)[/`]", cells[0])}
    there = {path.stem for path in (ROOT / "src/fastdl").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert there - {"__init__", "__pycache__"} - named == set()


def test_the_readmes_examples_are_commands_that_fastdl_takes() -> None:
    from fastdl import combinations, config
    from fastdl.cli.commands import options_of
    from fastdl.cli.parse import COMMANDS, command_of, parse

    (block,) = re.findall(r"## Using it\n\n```sh\n(.*?)```", README, re.DOTALL)
    seen = set()
    for line in block.splitlines():
        words = line.split("#")[0].split("|")[0].split()
        digest = "sha256:" + "0" * 64
        words = [digest if word.startswith("sha256:") else word for word in words[1:]]
        words = [f"https://example.org/{word}" if re.fullmatch(r"URL\d", word) else word for word in words]
        command, rest = command_of(words)
        seen.add(command)
        values, others = parse(rest, options_of(command))
        values = {key: value for key, value in values.items() if key in options.BY_KEY}
        settings = config.load(values, {"HOME": "nowhere"}, ask=lambda prompt: "secret")
        if command in ("get", "explain"):
            combinations.check_urls(settings, others)
    assert seen == set(COMMANDS) - {"demo", "bench"}

"""The wheel, the sdist, and what is pinned for the unpacked program."""

from __future__ import annotations

import os
import re
import shutil
import sys
from email.message import Message
from pathlib import Path

import pytest

from pack import bundle, facts, installs, steps, wheel
from packs import needs_libraries


def stamp(folder: Path, when: int) -> None:
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (when, when))


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_they_are_the_same_twice(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_libraries("hatchling")
    made = []
    for number, name in enumerate(("one", "two")):
        clone = tmp_path / name / "clone"
        wanted = (
            "pyproject.toml",
            "README.md",
            "LICENSE",
            "CHANGELOG.md",
            "CONTRIBUTING.md",
            "SECURITY.md",
            "mkdocs.yml",
        )
        clone.mkdir(parents=True)
        for file in wanted:
            shutil.copyfile(facts.ROOT / file, clone / file)
        for folder in ("src", "packaging"):
            ignored = shutil.ignore_patterns("__pycache__", "schemas")
            shutil.copytree(facts.ROOT / folder, clone / folder, ignore=ignored)
        stamp(clone, 1_000_000_000 + number * 100_000)
        monkeypatch.setattr(facts, "ROOT", clone)
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
        made.append(wheel.build(tmp_path / name, kind))
        monkeypatch.undo()
    assert made[0].name == made[1].name
    assert made[0].read_bytes() == made[1].read_bytes()


def test_a_step_that_fails_says_what_was_said() -> None:
    with pytest.raises(steps.StepFailed, match=r"(?s)ended with 3:\nout of reach"):
        steps.run([sys.executable, "-c", "print('out of reach'); raise SystemExit(3)"])
    with pytest.raises(steps.StepFailed, match="cannot be started"):
        steps.run(["no-such-program-anywhere"])


def test_a_build_sees_one_time_and_one_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "77")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    told = steps.environment()
    assert (told["SOURCE_DATE_EPOCH"], told["PYTHONHASHSEED"]) == ("77", "1")
    assert "PYTHONPATH" not in told


# --- pins ------------------------------------------------------------------------------------------------


def pinned() -> dict[str, str]:
    """The last version of each name in the pins, by name."""
    return dict(re.findall(r"(?m)^([\w.-]+)==([^ ;\\]+)", bundle.PINS.read_text(encoding="utf-8")))


def test_everything_in_the_bundle_is_pinned_by_its_digest() -> None:
    blocks = re.split(r"(?m)^(?=[\w.-]+==)", bundle.PINS.read_text(encoding="utf-8"))[1:]
    assert len(blocks) > 20
    assert [block.split("==")[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_every_dependency_is_pinned() -> None:
    text = (facts.ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"(?ms)^dependencies = \[\n(.*?)^\]", text)
    assert listed is not None
    names = {re.sub(r"[._]", "-", name) for name in re.findall(r'"([\w.-]+)', listed[1])}
    assert names - set(pinned()) == set()
    assert "pydantic" not in pinned()


def test_pyinstaller_takes_a_linked_folder() -> None:
    assert tuple(int(part) for part in pinned()["pyinstaller"].split(".")) >= (6, 22, 2)


def test_the_pins_name_no_place() -> None:
    assert re.findall(r"(?m)https?://|^-|file:", bundle.PINS.read_text(encoding="utf-8")) == []


def test_what_packages_are_checked_with_is_there_where_tests_run() -> None:
    lines = (facts.ROOT / "packaging/check.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if not line.startswith("#")]
    extra = (facts.ROOT / "pyproject.toml").read_text(encoding="utf-8").split("\ntest = [")[1].split("\n]")[0]
    assert len(wanted) > 5
    assert [line for line in wanted if f"\"{line}; sys_platform == 'linux'\"" not in extra] == []


# --- how it is installed ---------------------------------------------------------------------------------


def wheel_with(folder: Path, *required: str) -> Path:
    import zipfile

    message = Message()
    message["Name"] = "some-name"
    for line in required:
        message["Requires-Dist"] = line
    path = folder / f"some_name-{facts.version()}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("some_name.dist-info/METADATA", message.as_string())
    return path


def test_the_oldest_dependencies_are_the_lower_bounds(tmp_path: Path) -> None:
    path = wheel_with(
        tmp_path,
        "httpx[http2]>=0.27",
        "tomli>=2.0; python_version < '3.11'",
        "pytest>=8; extra == 'test'",
        "mypy<2,>=1; extra == 'test'",
    )
    assert installs.bounds(path) == ["httpx==0.27", "tomli==2.0; python_version < '3.11'"]
    assert installs.wheel_of(tmp_path) == path


def test_a_dependency_without_a_lower_bound_is_found(tmp_path: Path) -> None:
    with pytest.raises(steps.StepFailed, match="anything has no lower bound"):
        installs.bounds(wheel_with(tmp_path, "anything"))


def test_a_wheel_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(steps.StepFailed, match="python packaging wheel"):
        installs.wheel_of(tmp_path)


def test_a_command_of_another_version_is_found(tmp_path: Path) -> None:
    with installs.place() as here:
        script = here.folder / "fastdl.py"
        script.write_text("print('fastdl 0.0.0')\n")
        assert here.run(sys.executable, script).strip() == "fastdl 0.0.0"
        with pytest.raises(steps.StepFailed):
            installs.attempt(here, Path(sys.executable))
    assert not here.folder.exists()

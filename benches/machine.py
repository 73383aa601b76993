"""The machine that a result belongs to, and its disks: a number without them means nothing."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from pathlib import Path

_MOUNTS = Path("/proc/self/mounts")
_IN_MEMORY = {"tmpfs", "ramfs"}


def describe() -> dict[str, object]:
    """What a reader of a result needs to know: system, processors, memory, load, Python. No name of the machine."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "processor": _processor(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def filesystem(path: Path) -> str:
    """The kind of file system that holds `path` ("ext4", "tmpfs"...), "unknown" where the system does not tell."""
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "unknown"
    place = path.resolve()
    best, kind = -1, "unknown"
    for line in mounts:
        point, name = line.split()[1:3]
        mount = Path(point.replace("\\040", " "))
        if place.is_relative_to(mount) and len(mount.parts) >= best:  # of two on one point the later hides the other
            best, kind = len(mount.parts), name
    return kind


def memory_folder() -> Path | None:
    """A folder that lives in memory, None where the system has no such thing (macOS)."""
    shm = Path("/dev/shm")
    return shm if shm.is_dir() and os.access(shm, os.W_OK) and filesystem(shm) in _IN_MEMORY else None


def disk_folder() -> Path:
    """A folder on a real disk: the one for temporary files, else the current one."""
    temporary = Path(tempfile.gettempdir())
    return Path.cwd() if filesystem(temporary) in _IN_MEMORY else temporary


def free_space(folder: Path) -> int:
    """Bytes that a file in `folder` may still take."""
    return shutil.disk_usage(folder).free

"""Runs one command and prints what it cost; started by `harness` as a program of its own.

It is a separate, nearly empty process because of how Linux counts peak memory: a process that was started by
fork and exec inherits the peak of its parent. Under a bench with its libraries loaded every small tool would
seem to need as much as the bench. Only modules that a bare interpreter has loaded already are imported here.

    python -I -S launch.py OUTPUT_TO_FLUSH COMMAND...

The last line on file descriptor 1 is: wall seconds, seconds to flush, user+sys CPU seconds, peak bytes, exit code.
The command's own output goes to descriptor 2.
"""

from __future__ import annotations

import os
import sys
import time


def main(argv: list[str]) -> int:
    """Run `argv[1:]`, then flush the file `argv[0]` (empty: none) to the device and time that as well."""
    output, command = argv[0], argv[1:]
    begin = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - begin
    flush = _flush(output) if output else 0.0
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)  # macOS counts bytes, the others KiB
    cpu = usage.ru_utime + usage.ru_stime
    print(f"{wall:.6f} {flush:.6f} {cpu:.6f} {peak} {os.waitstatus_to_exitcode(status)}", flush=True)
    return 0


def _flush(path: str) -> float:
    """Seconds until the file's bytes are on the device: the work that a program left to the system."""
    begin = time.perf_counter()
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return 0.0
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return time.perf_counter() - begin


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

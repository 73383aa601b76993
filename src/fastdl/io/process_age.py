"""How long this process has been running: what came before the first line of Python is part of the start-up too."""

from __future__ import annotations

import os
import sys
import time

if sys.platform == "linux":

    def process_age() -> float | None:
        """Seconds since the system started this process, None where it does not tell; in steps of 10 ms. From /proc,
        since psutil knows the time of boot in whole seconds only."""
        try:
            with open("/proc/self/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            ticks = int(fields[19])  # `starttime`: field 22 of proc(5), the third one stands first here
            return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
        except (OSError, ValueError, IndexError):
            return None

else:

    def process_age() -> float | None:
        """Seconds since the system started this process, None where it does not tell."""
        import psutil

        try:
            return max(0.0, time.time() - psutil.Process().create_time())
        except (psutil.Error, OSError):
            return None

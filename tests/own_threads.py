"""What fastdl leaves running in this process."""

from __future__ import annotations

import threading


def own_threads() -> list[str]:
    """The names of fastdl's threads at this moment."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("fastdl")]

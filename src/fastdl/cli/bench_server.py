"""The server of `fastdl bench`: one file on loopback, sent by the system itself (sendfile) where it can do that.

It runs in threads of the bench, which does nothing else while a program fetches, so it takes no time from any of them
but its own.
"""

from __future__ import annotations

from fastdl.demo_server import Content, DemoServer, Handler
from fastdl.errors import DiskError
from fastdl.io.disk import disk_error


class FileServer(DemoServer):
    """Serves `size` made-up bytes, which it writes to `path` first. Raises DiskError if there is no room."""

    def __init__(self, path: str, size: int) -> None:
        self.path = path
        content = Content(size)
        try:
            with open(path, "wb") as file:
                for piece in content.pieces(0, size):
                    file.write(piece)
        except OSError as error:
            raise disk_error(error, "write", path) from error
        super().__init__(content, None, handler=_FileHandler)


class _FileHandler(Handler):
    server_version = "fastdl-bench"

    def _send(self, start: int, end: int) -> None:
        server = self.server_of_demo
        assert isinstance(server, FileServer)
        with open(server.path, "rb") as file:
            if self.connection.sendfile(file, start, end - start) != end - start:
                raise DiskError("the file of the bench is shorter than it was")

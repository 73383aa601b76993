"""The recipe for pip and uv: a requirements file with hashes, a list, the files, an installation without an index."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import sys
import zipfile

import pytest

from pages.loopback import Loopback
from pages.sandbox import Sandbox, needs_bash
from recipes.recipe import Provide, block
from servers.files import FileApp, site
from servers.raw import Connection, RawServer, Request, Serve

PAGE = "recipes-python"
WHEEL = "tinypackage-1.0-py3-none-any.whl"


def wheel() -> bytes:
    """A package of one module."""
    info = "tinypackage-1.0.dist-info"
    files = {
        "tinypackage.py": b"ANSWER = 42\n",
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tinypackage\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {
        name: base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=") for name, data in files.items()
    }
    record = "".join(f"{name},sha256={digest.decode()},{len(files[name])}\n" for name, digest in digests.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)  # the same bytes each time
    return made.getvalue()


@pytest.fixture
def index(serve: Serve, sandbox: Sandbox) -> RawServer:
    """A package index with one package, and the user's requirements file."""
    data = wheel()
    digest = hashlib.sha256(data).hexdigest()
    page = f'<!DOCTYPE html><a href="/files/{WHEEL}#sha256={digest}">{WHEEL}</a>'.encode()

    def simple(connection: Connection, request: Request) -> None:
        app = FileApp()
        app.send(connection, app.short(200, page, kind="text/html"), body=request.method != "HEAD")

    server = serve(site({"/simple/tinypackage/": simple, f"/files/{WHEEL}": FileApp(size=len(data), data=data).answer}))
    sandbox.lay({"requirements.txt": f"tinypackage==1.0 --hash=sha256:{digest}\n".encode()})
    sandbox.lay({"wheels.py": block(PAGE, "python").text.encode()})
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(sandbox.folder / "venv")], check=True)
    return server


@needs_bash
@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_from_a_requirements_file_to_an_installation(
    installer: str, sandbox: Sandbox, index: RawServer, provide: Provide, world: Loopback
) -> None:
    provide("pip", module="pip")
    python = str(sandbox.folder / "venv/bin/python")
    sandbox.extra = {
        **sandbox.extra,
        "PIP_INDEX_URL": index.url("/simple/"),
        "PIP_PYTHON": python,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_CONFIG_FILE": "/dev/null",
        "UV_NO_CACHE": "1",
        "VIRTUAL_ENV": str(sandbox.folder / "venv"),
    }
    if installer == "uv":
        provide("uv")
    ran = sandbox.run(block(PAGE, "sh", "--dry-run").text)
    assert ran.code == 0, ran.text
    (entry,) = [json.loads(line) for line in (sandbox.cwd / "wheels.jsonl").read_text(encoding="utf-8").splitlines()]
    assert entry == {"url": index.url(f"/files/{WHEEL}"), "checksum": f"sha256:{hashlib.sha256(wheel()).hexdigest()}"}

    fetch, install = block(PAGE, "sh", "fastdl get").text.splitlines()
    ran = sandbox.run(fetch)
    assert ran.code == 0, ran.text
    assert (sandbox.cwd / "wheels" / WHEEL).read_bytes() == wheel()
    asked = len(index.log)
    ran = sandbox.run(f"{fetch}\n{install if installer == 'pip' else block(PAGE, 'sh', 'uv pip').text}")
    assert ran.code == 0, ran.text
    assert len(index.log) == asked, "neither the second run nor the installation asks the index"
    told = subprocess.run(
        [python, "-c", "import tinypackage; print(tinypackage.ANSWER)"], capture_output=True, text=True
    )
    assert told.stdout == "42\n", told.stderr


@needs_bash
def test_an_exchanged_wheel_is_refused(sandbox: Sandbox, index: RawServer, provide: Provide) -> None:
    provide("pip", module="pip")
    sandbox.lay({f"wheels/{WHEEL}": b"something else"})
    sandbox.extra = {
        **sandbox.extra,
        "PIP_PYTHON": str(sandbox.folder / "venv/bin/python"),
        "PIP_CONFIG_FILE": "/dev/null",
    }
    _, install = block(PAGE, "sh", "fastdl get").text.splitlines()
    ran = sandbox.run(install)
    assert ran.code != 0
    assert "hash" in ran.text.lower()

"""The recipes for make and CMake are built."""

from __future__ import annotations

from pages.loopback import TEST
from pages.sandbox import Sandbox, needs_bash
from recipes.recipe import Provide, block

PAGE = "recipes"


@needs_bash
def test_make(sandbox: Sandbox, provide: Provide) -> None:
    provide("make")
    sandbox.lay({"Makefile": block(PAGE, "makefile").text.encode()})
    ran = sandbox.run("make all")
    assert ran.code == 0, ran.text
    assert (sandbox.cwd / "data/model.bin").read_bytes() == TEST
    assert "fastdl" not in sandbox.run("make all").text


@needs_bash
def test_make_stops_at_another_file(sandbox: Sandbox, provide: Provide) -> None:
    provide("make")
    sandbox.lay({"Makefile": block(PAGE, "makefile").text.replace("9f86d0", "000000").encode()})
    ran = sandbox.run("make all")
    assert ran.code == 2 and "Error 5" in ran.text, ran.text
    assert not (sandbox.cwd / "data/model.bin").exists()


@needs_bash
def test_cmake(sandbox: Sandbox, provide: Provide) -> None:
    provide("cmake")
    text = f"cmake_minimum_required(VERSION 3.19)\nproject(recipe NONE)\n{block(PAGE, 'cmake').text}"
    sandbox.lay({"CMakeLists.txt": text.encode()})
    for _ in range(2):
        ran = sandbox.run("cmake -B build -S .")
        assert ran.code == 0, ran.text
        assert (sandbox.cwd / "build/model.bin").read_bytes() == TEST
    sandbox.lay({"CMakeLists.txt": text.replace("9f86d0", "000000").encode()})
    assert sandbox.run("cmake -B other -S .").code != 0

"""What runs in the unpacked program: the same as the installed command."""

from fastdl.__main__ import run

if __name__ == "__main__":
    run()

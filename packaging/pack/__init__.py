"""Builds and checks what fastdl is given out as. `python packaging --help` is the way in."""

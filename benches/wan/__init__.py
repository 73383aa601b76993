"""Long, thin, lossy and failing links on one machine, without any kernel module that is not there anyway.

`emulator.c` carries the packets between network namespaces, `link` is its arithmetic, `network` starts and commands it,
`server` puts an nginx at the far end of each link, `course` is what the rows on it have in common. All of it needs
Linux, root, /dev/net/tun and a C compiler; `network.unavailable()` says what is missing.
"""

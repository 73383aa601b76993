"""The shell around the core for one file: threads, sockets and disk carry out what the scheduler decides."""

"""Measurements of whole downloads against other programs, side by side on this machine.

A bench is a module that lists cases and measures them with the same four parts: `server` serves the file,
`peers` knows how each program is called, `harness` runs one process and reads what it cost, `report` does the
arithmetic and the table. Only ratios of runs that were made in turns mean anything; seconds are this machine's.
"""

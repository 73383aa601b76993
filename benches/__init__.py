"""Measurements of whole downloads against other programs, side by side on this machine.

`python -m benches` runs the rows of the table of goals: one module each in `rows`, made of what `row` describes.
`runner` lets their tasks take turns, `harness` runs one process and reads what it cost, `verdicts` and `figures` do the
arithmetic, `results` keeps it, `report` compares two results, `factor` measures one change against its base commit.
Only ratios of runs that were made in turns mean anything; seconds are this machine's.
"""

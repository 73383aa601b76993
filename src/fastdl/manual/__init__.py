"""Makes the man page and the options reference from the tables of the code: `python -m fastdl.manual`.

For a clone; what is installed has the pages and not their maker.
"""

"""Many files by many workers: any executor of `concurrent.futures`, and the clusters of Dask.

`spread` is where both begin. Nothing in here is imported by a run without executor and without --cluster.
"""

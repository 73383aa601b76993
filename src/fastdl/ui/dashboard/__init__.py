"""The page of `fastdl stats --html`: one file that holds all it shows, with no script and no reference to outside."""

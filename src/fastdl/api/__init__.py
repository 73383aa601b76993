"""fastdl for programs: what `import fastdl` offers, in modules that are imported when a name is first used."""

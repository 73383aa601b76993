"""The rules that fastdl brings along: facts/ is what is known, rules.json the pack that `build` makes of it."""

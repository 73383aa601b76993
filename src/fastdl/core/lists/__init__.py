"""Lists of downloads (`-i`): plain text, JSON Lines and Metalink, read as they come. Nothing here opens a file."""

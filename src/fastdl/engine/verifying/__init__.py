"""Files that are there are checked against the digest that their publisher gives, and mended."""

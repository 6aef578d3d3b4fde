"""Read, check, resolve and write recipes; `recipe` holds the record itself."""

"""Where weights come from, their digests, the local store, and files read as data."""

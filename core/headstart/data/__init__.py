"""Records, checks, the split and its file, prepared samples and their order."""

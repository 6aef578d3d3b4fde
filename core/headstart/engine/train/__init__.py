"""Training: the phases of a strategy, one after the other."""

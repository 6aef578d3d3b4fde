"""Features: what a frozen prefix gives, in the engine that a run takes."""

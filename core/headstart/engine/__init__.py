"""The engine: graft, stages, features, heads, phases and the loop. The only place in core that imports keras."""

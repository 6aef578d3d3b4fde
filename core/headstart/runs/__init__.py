"""A run from its recipe to its result: plan, train, evaluate, conclude; `run` opens a finished one."""

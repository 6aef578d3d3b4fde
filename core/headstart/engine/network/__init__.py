"""The network: its stages, their weights by name, and what it is built from again."""

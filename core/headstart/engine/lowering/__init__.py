"""Faster, numerically equal forms of layers."""

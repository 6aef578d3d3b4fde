"""Linear heads on frozen features: sums over blocks, principal axes, ridge regression."""

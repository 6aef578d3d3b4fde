"""Networks, features, training, linear heads, and a package for each backend. In core, only this imports keras."""

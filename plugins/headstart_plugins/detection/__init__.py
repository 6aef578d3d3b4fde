"""Detection: what lies where in a picture."""

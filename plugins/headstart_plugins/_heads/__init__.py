"""Heads that several tasks put on pooled features: networks, and linear ones solved to their optimum. No plugin."""

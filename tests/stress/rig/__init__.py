"""What the figures of crash safety are measured with; `python tests/stress/run.py` measures all of them."""

"""Texts beside texts that say the same: pairs, what is odd about some, and what stays together. For plugins of targets
and of datasets; no plugin."""

"""Masks as targets hold them: files and the legend of their values, polygons and run lengths; how these are read, and
what is wrong with one. For plugins of targets and of datasets; no plugin."""

"""Data that is drawn, or cut from what packages bring: scenes of stamps, tiles, and how sides of a split are written
and read again. For plugins of datasets; no plugin."""

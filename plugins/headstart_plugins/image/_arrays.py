"""Pixel arrays as pictures."""

from __future__ import annotations

import numpy as np

from headstart.errors import DataError
from headstart.specs import Sample


def from_array(array: np.ndarray, where: str, background: int) -> Sample:
    """An array (height, width) or (height, width, 1, 3 or 4), uint8 or uint16, as RGB pixels (height, width,
    3) uint8.

    uint16 keeps its high byte; a fourth channel is alpha, laid on `background`. Raises DataError for other
    shapes and dtypes: floats could be 0..1, 0..255 or already scaled, and a guess would be silent.
    """
    notes: list[str] = []
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        array = (array >> 8).astype(np.uint8)
        notes.append("scaled from 16 bits")
    if array.dtype != np.uint8:
        raise DataError(
            f"{where}: pixels are {array.dtype}; expected uint8 (0..255) or uint16 (0..65535)",
            hint="convert with (pixels * 255).round().astype('uint8') if they run from 0 to 1",
        )
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise DataError(f"{where}: shape {array.shape}; expected (height, width) or (height, width, 1, 3 or 4)")
    if array.shape[2] == 4:
        notes.append(f"with transparency laid on {'white' if background == 255 else f'grey {background}'}")
        array = _flattened(array, background)
    pixels = np.broadcast_to(array, (*array.shape[:2], 3))
    return Sample(np.ascontiguousarray(pixels), tuple(notes))


def _flattened(array: np.ndarray, background: int) -> np.ndarray:
    alpha = array[:, :, 3:].astype(np.float32) / 255
    return np.rint(array[:, :, :3] * alpha + background * (1 - alpha)).astype(np.uint8)

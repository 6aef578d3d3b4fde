"""Arrays as files of a folder."""

import numpy as np
import pytest
from headstart.data.array_folder import NAMES, create_arrays, open_arrays, seal_arrays

from headstart.specs import TensorSpec

SPECS = {"@pooled": TensorSpec((3,), "float32"), "image": TensorSpec((2, 2, 3), "uint8")}


def test_what_was_written_is_read_again_mapped_and_read_only(tmp_path):
    arrays = create_arrays(tmp_path, SPECS, 5)
    arrays["@pooled"][:] = np.arange(15).reshape(5, 3)
    arrays["image"][:] = 7
    seal_arrays(tmp_path, arrays)

    read = open_arrays(tmp_path)

    assert np.array_equal(read["@pooled"], np.arange(15, dtype=np.float32).reshape(5, 3))
    assert read["image"].shape == (5, 2, 2, 3)
    assert read["image"].dtype == np.uint8
    assert isinstance(read["image"], np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        read["image"][0] = 1


def test_rows_at_the_end_that_were_not_needed_are_cut_off(tmp_path):
    arrays = create_arrays(tmp_path, SPECS, 5)
    arrays["@pooled"][:] = np.arange(15).reshape(5, 3)
    seal_arrays(tmp_path, {name: array[:2] for name, array in arrays.items()})

    assert np.array_equal(open_arrays(tmp_path)["@pooled"], [[0, 1, 2], [3, 4, 5]])
    assert sorted(path.stat().st_size for path in tmp_path.glob("*.bin")) == [24, 24]


def test_no_rows_are_no_rows(tmp_path):
    seal_arrays(tmp_path, create_arrays(tmp_path, SPECS, 0))

    assert open_arrays(tmp_path)["image"].shape == (0, 2, 2, 3)


def test_a_folder_that_was_not_finished_is_not_read(tmp_path):
    create_arrays(tmp_path, SPECS, 5)

    with pytest.raises(FileNotFoundError, match=NAMES):
        open_arrays(tmp_path)

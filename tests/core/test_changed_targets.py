"""A finished run scores its own data only as it was: targets that are files are part of it."""

import pytest

from headstart.data.hashing import content_hash, written_target
from headstart.data.split_file import SplitRow
from headstart.errors import DataError
from headstart.runs.run_data import _verify_unchanged
from headstart.specs import Record


@pytest.fixture
def mask(tmp_path):
    path = tmp_path / "mask.png"
    path.write_bytes(b"as it was")
    return path


def row_of(record):
    target = written_target(record.target, record.key)
    return SplitRow(record.key, "test", target, None, content_hash(record.payload, record.key))


@pytest.mark.parametrize("payload", ["a sample", ("two", "parts")])
def test_what_is_as_it_was_is_scored(mask, payload):
    record = Record("k", payload, mask)
    _verify_unchanged(row_of(record), {"k": record})


def test_a_target_file_that_changed_is_refused(mask):
    record = Record("k", "a sample", mask)
    row = row_of(record)
    mask.write_bytes(b"as it is")
    with pytest.raises(DataError, match="k has changed since the run was made"):
        _verify_unchanged(row, {"k": record})


def test_a_sample_that_changed_or_is_gone_is_refused(mask):
    record = Record("k", "a sample", mask)
    with pytest.raises(DataError, match="k has changed"):
        _verify_unchanged(row_of(record), {"k": Record("k", "another", mask)})
    with pytest.raises(DataError, match="not there any more"):
        _verify_unchanged(row_of(record), {})

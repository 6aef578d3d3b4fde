import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from headstart.data.prepared import PrepareOptions, prepare
from headstart.data.targets import build_target_kind
from headstart.errors import UsageError
from headstart.options import NoOptions
from headstart.registry import load_registry
from headstart.specs import DatasetRequest, InputRequest
from headstart_plugins.digits._build import build
from headstart_plugins.image import ImageOptions
from headstart_plugins.image._build import build as build_kind


@pytest.fixture(scope="module")
def digits():
    return build(DatasetRequest(None, NoOptions()))


def test_counts_are_those_that_scikit_learn_publishes(digits):
    counts = Counter(record.target for record in digits.items)
    assert len(digits.items) == 1797
    assert [counts[str(digit)] for digit in range(10)] == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_payloads_are_grey_bytes_over_the_whole_range(digits):
    assert digits.items[0].key == "digit-0000"
    assert all(record.payload.shape == (8, 8) and record.payload.dtype == np.uint8 for record in digits.items)
    assert max(int(record.payload.max()) for record in digits.items) == 255
    assert digits.items[0].payload[0].tolist() == [0, 0, 80, 207, 143, 16, 0, 0]  # 0 0 5 13 9 1 0 0 of 16


def test_no_symmetry_keeps_a_digit(digits):
    assert digits.symmetries == frozenset()


def test_a_reference_is_refused():
    with pytest.raises(UsageError, match="takes no path"):
        build(DatasetRequest("somewhere", NoOptions()))


def test_they_split_64_16_20_and_repeat(digits):
    kind = build_kind(InputRequest({"size": [16, 16]}, ImageOptions()))
    targets = build_target_kind(load_registry(), "class")
    first = prepare(digits, kind, targets, PrepareOptions(split_seed=0))
    assert first.split.counts == {"train": 1150, "val": 288, "test": 359}
    assert first.findings == ()
    assert prepare(digits, kind, targets, PrepareOptions(split_seed=0)).split.hash == first.split.hash


@pytest.mark.parametrize(
    ("options", "recorded"),
    [
        ({}, "aff3721784d3608a05cf5fe164f1ebc6d131bbf6b47a577ec387424d4f3dd45b"),
        ({"limit": 200}, "503f97fd663b4f89590a5be8dbd7d1203c01a40bce54792fd381977c26b4c06a"),
        ({"split_seed": 3}, "c96d9e8b02951ccb2260243ea4210fcff64d36ac9c0ad9f1affb30edec0df987"),
    ],
)
def test_their_split_is_to_the_letter_the_one_of_the_time_before_shares_could_be_set(digits, options, recorded):
    kind = build_kind(InputRequest({"size": [16, 16]}, ImageOptions()))
    assert prepare(digits, kind, build_target_kind(load_registry(), "class"), PrepareOptions(**options)).split.hash == (
        recorded
    )


def test_they_are_what_scikit_learn_gives_and_it_is_not_imported_for_them(digits):
    from sklearn.datasets import load_digits

    found = load_digits()
    assert [int(record.target) for record in digits.items] == found.target.tolist()
    pixels = np.rint(found.images * (255 / 16)).astype(np.uint8)
    np.testing.assert_array_equal(np.stack([record.payload for record in digits.items]), pixels)
    read = "import sys; from headstart_plugins.digits._build import _read; _read(); print('sklearn' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", read], text=True) == "False\n"

"""A comparison that goes on: whatever is asked for otherwise now is refused by name."""

import json

import pytest

from headstart.errors import UsageError
from headstart.transfer.comparison.cells import FORM
from headstart.transfer.comparison.comparing import COMPARISON, compare


@pytest.fixture
def begun(design_of, tmp_path):
    """The folder of a comparison of two seeds that no cell was measured of."""
    settings = {"data": "made", "seeds": [0, 1], "fractions": [0.5, 1.0], "epochs": 2, "strategies": [], "sets": []}
    design = design_of("scratch", "full", seeds=(0, 1), fractions=(0.5, 1.0)).document() | {"settings": settings}
    (tmp_path / COMPARISON).write_text(json.dumps({"form": FORM, "finished": False, "plan": design}))
    return tmp_path


@pytest.mark.parametrize("data", [None, "made"])
@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"seeds": (0, 1, 2)}, r"seeds is \[0, 1, 2\] now, and \[0, 1\] in"),  # those that are the default too
        ({"fractions": (0.1,)}, "fractions is"),
        ({"epochs": 9}, "epochs is 9 now, and 2 in"),
        ({"sets": ("batch_size=4",)}, "sets is"),
        ({"task": "regression"}, "task is regression now"),
    ],
)
def test_what_is_asked_for_otherwise_is_refused_whether_the_data_is_named_or_not(begun, data, asked, told):
    with pytest.raises(UsageError, match=told) as caught:
        compare(data, out=begun, resume=True, **asked)
    assert caught.value.hint == "leave it out: it goes on as it began"

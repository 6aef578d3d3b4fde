"""How many rows a call on a processor is given: fewer where they are large, so that memory is bounded by their size."""

import pytest

from headstart.engine.batch import rows_within
from headstart.predictor import BATCH, SIZES


@pytest.mark.parametrize(
    ("side", "rows"), [(8, 32), (224, 32), (240, 32), (260, 16), (320, 16), (512, 4), (1024, 1), (4096, 1)]
)
def test_pictures_of_a_side_run_so_many_at_a_time(side, rows):
    assert rows_within(side * side * 3, BATCH) == rows


def test_texts_and_what_takes_no_room_run_as_many_as_there_may_be():
    assert rows_within(3 * 512 * 4, BATCH) == rows_within(0, BATCH) == BATCH == SIZES[-1]


@pytest.mark.backend
def test_a_predictor_has_fewer_static_shapes_for_large_pictures():
    from headstart.predictor import sizes_for
    from headstart.specs import TensorSpec

    def of(side):
        return sizes_for(type("Kind", (), {"tensors": {"image": TensorSpec((side, side, 3), "uint8")}}))

    assert [of(side) for side in (96, 320, 512, 1024)] == [SIZES, (1, 8, 16), (1, 4), (1,)]


@pytest.mark.backend
def test_stock_layers_that_run_one_by_one_get_fewer_rows_where_a_layer_makes_much_of_them():
    """A block of 32 MiB or more is pages of zeros each time: one layer here makes 64 x 64 x 128 floats, 2 MiB a row."""
    import keras

    from headstart.engine.device import compiles_each_shape
    from headstart.engine.network.liveness import BLOCK, largest_tensor
    from headstart.predictor import sizes_for
    from headstart.specs import Stage, TensorSpec

    given = keras.Input((64, 64, 3), name="x")
    inner = keras.Input((64, 64, 3))
    wide = keras.Model(inner, keras.layers.MaxPooling2D(8)(keras.layers.Conv2D(128, 1)(inner)))
    stage = Stage("only", keras.Model({"x": given}, {"y": wide(given)}))
    assert largest_tensor([stage.model]) == 64 * 64 * 128 * 4
    kind = type("Kind", (), {"tensors": {"image": TensorSpec((64, 64, 3), "uint8")}})
    network = type("Network", (), {"stages": (stage,)})
    assert rows_within(112 * 112 * 96 * 4, 32, BLOCK - 1) == 4  # what EfficientNet-Lite0 makes of 224 px
    assert sizes_for(kind, network) == (SIZES if compiles_each_shape() else (1, 8))
    assert sizes_for(kind) == SIZES

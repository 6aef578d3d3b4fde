"""A decoder one token at a time against the same head fed with all tokens, for each family that it is built for."""

import numpy as np
import pytest

from headstart_plugins._sequences import DecoderConfig

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

VOCABULARY, WIDTH, CHANNELS, ROWS, TIME, MOST = 30, 16, 12, 3, 7, 20
SIZES = {"vocabulary": VOCABULARY, "width": WIDTH, "layers": 2, "heads": 2, "hidden": 24}
FAMILIES = {
    "marian": DecoderConfig(**SIZES, embedding_scale=4.0, activation="silu", logits_bias=True),
    "t5": DecoderConfig(
        **SIZES,
        head_size=6,
        score_scale=1.0,
        pre_norm=True,
        norm="rms",
        epsilon=1e-6,
        positions="relative",
        buckets=8,
        farthest=12,
        bias=False,
        logits_scale=0.25,
    ),
    "t5_v1_1": DecoderConfig(
        **SIZES,
        score_scale=1.0,
        pre_norm=True,
        norm="rms",
        positions="relative",
        bias=False,
        gated=True,
        activation="gelu_tanh",
        tied=False,
    ),
    "whisper": DecoderConfig(
        **SIZES, pre_norm=True, positions="table", most_positions=24, activation="gelu", key_bias=False
    ),
}
LENGTHS = (7, 4, 1)


def features():
    random = np.random.default_rng(3)
    mask = np.arange(TIME) < np.array(LENGTHS)[:, None]
    return {"tokens": random.normal(size=(ROWS, TIME, CHANNELS)).astype(np.float32), "tokens.mask": mask}


def moved(head):
    """The head with biases and scales that are not all the same, as learned ones are not."""
    random = np.random.default_rng(8)
    for variable in head.weights:
        if len(variable.shape) == 1 and variable.dtype == "float32":
            variable.assign(np.asarray(variable.value) + 0.3 * random.normal(size=variable.shape))
    return head


@pytest.fixture(scope="module", params=FAMILIES)
def config(request):
    return FAMILIES[request.param]


@pytest.fixture(scope="module")
def head(config):
    from headstart.engine.device import without_gradients
    from headstart_plugins._sequences.decoder import decoder

    with without_gradients():
        return moved(decoder(config, {name: array.shape for name, array in features().items()}, seed=1))


def numpy_of(tensor):
    import keras

    return np.asarray(keras.ops.convert_to_numpy(tensor))


def forced(head, tokens, source):
    from headstart.engine.device import inference

    given = {**source, "previous": tokens}
    run = inference(lambda tensors: head(tensors, training=False), [stage_of(head)])
    return run({name: given[name] for name in head.input})["logits"]


def stepped(config, head, tokens, source, *, beams=1, given=0, traced=True):
    """Logits of each position behind those that are `given`, each row followed by so many `beams`."""
    import keras
    from keras import ops

    from headstart.engine.device import inference
    from headstart_plugins._sequences import decoding

    def begin(source):
        prompt = [int(token) for token in tokens[0, :given]]
        return decoding.start(config, head, source, most=MOST - given, beams=beams, given=prompt)

    def advance(state, last):
        found, logits = decoding.step(config, state, last["last"], last["position"], given=given)
        return {**state, **found}, logits

    state = inference(begin, [stage_of(head)], stays=True)(source)
    if beams > 1:  # each goes on from itself
        own = np.broadcast_to(np.arange(beams, dtype=np.int32)[:, None], (ROWS, beams, MOST - given))
        state["ancestors"] = ops.convert_to_tensor(np.ascontiguousarray(own))
    step, found = inference(advance, [], stays=True), []
    for position in range(tokens.shape[1] - given):
        is_eager = keras.backend.backend() == "torch" and not traced
        place = position if is_eager else ops.convert_to_tensor(position, "int32")
        last = np.repeat(tokens[:, position + given], beams)
        state, logits = step(state, {"last": last, "position": place})
        found.append(numpy_of(logits))
    return np.stack(found, axis=1)


def stage_of(head):
    from headstart.specs import Stage

    return Stage("head", head)


def close(ours, theirs):
    assert theirs.std() > 0.01
    assert np.abs(ours - theirs).max() <= 1e-4 * max(1.0, theirs.std())


def tokens():
    return np.random.default_rng(5).integers(0, VOCABULARY, (ROWS, MOST)).astype(np.int32)


@pytest.mark.parametrize("traced", [True, False])
def test_one_token_at_a_time_gives_the_logits_of_all_at_once(config, head, traced):
    expected = forced(head, tokens(), features())

    close(stepped(config, head, tokens(), features(), traced=traced), expected)


def test_the_sequences_of_a_row_share_what_its_source_says(config, head):
    given = features()
    expected = forced(head, tokens(), given)

    close(stepped(config, head, tokens(), given, beams=3), np.repeat(expected, 3, axis=0))


def test_given_tokens_are_run_through(config, head):
    same = np.tile(tokens()[:1], (ROWS, 1))
    expected = forced(head, same, features())

    close(stepped(config, head, same, features(), given=2, traced=False), expected[:, 2:])


def test_what_is_masked_and_what_comes_later_has_no_effect(config, head):
    given = features()
    expected = forced(head, tokens(), given)
    other = {**given, "tokens": np.where(given["tokens.mask"][..., None], given["tokens"], 9.0).astype(np.float32)}
    later = tokens()
    later[:, 9:] = 1

    close(forced(head, later, other)[:, :9], expected[:, :9])
    assert np.abs(forced(head, later, other)[:, 10:] - expected[:, 10:]).max() > 0.01


def test_without_a_mask_all_is_seen():
    from headstart.engine.device import without_gradients
    from headstart_plugins._sequences.decoder import decoder

    config = FAMILIES["whisper"]
    source = {"tokens": features()["tokens"]}
    with without_gradients():
        head = moved(decoder(config, {"tokens": (None, None, CHANNELS)}, seed=1))
    expected = forced(head, tokens(), source)

    assert sorted(head.input) == ["previous", "tokens"]
    close(stepped(config, head, tokens(), source), expected)


def test_more_tokens_than_positions_are_refused(head):
    from headstart_plugins._sequences import decoding

    with pytest.raises(ValueError, match="25 tokens, and there are 24 positions"):
        decoding.start(FAMILIES["whisper"], head, features(), most=25)


def test_weights_are_those_of_named_layers_and_the_same_on_each_backend(head, config):
    from headstart.engine.network.stages import name_variables

    kernels = [layer.name for layer in head.layers if layer.name.startswith("layer")]
    assert kernels == ["layer1", "layer2"]
    assert {layer.name for layer in head.get_layer("layer1").layers} >= {"self_query", "cross_key", "hidden", "norm"}
    named = name_variables([stage_of(head)])
    assert len(named) == len({id(each) for each in named.values()})
    first = next(name for name, each in named.items() if tuple(each.shape) == (WIDTH, SIZES["hidden"]))
    assert numpy_of(named[first]).std() == pytest.approx(np.sqrt(2 / (WIDTH + SIZES["hidden"])), rel=0.2)

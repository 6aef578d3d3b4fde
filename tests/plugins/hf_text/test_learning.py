"""Strategies see inside a transformer: which weights learn, by what they are and not by what a folder calls them."""

import re

import numpy as np
import pytest

from headstart.specs import HEAD, NORM, LowRank, Phase, StrategyRequest

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True
FORMS = {
    "bert": {},
    "modernbert": {
        "pre_norm": True,
        "bias": False,
        "gated": True,
        "types": 0,
        "rotary": 500.0,
        "local_rotary": 90.0,
        "local_window": 6,
    },
}
STAGES = ("embeddings", "block1", "block2", "pool")


@pytest.fixture(scope="module", params=FORMS)
def made(request, registry):
    """A tiny network below a head, its form, and a batch for it."""
    from headstart.testing.backbones.network import SmallNetwork, bring_alive
    from headstart.testing.input_kinds import build_kind, input_of, make_up
    from headstart_plugins.hf_text._build import build
    from headstart_plugins.hf_text._options import TransformerOptions
    from headstart_plugins.hf_text._specs import REGISTERED, TINY

    kind = build_kind(registry, input_of(registry, REGISTERED), {**REGISTERED.preprocess, "length": 24})
    small = SmallNetwork.build(build, TransformerOptions(**{**TINY, **FORMS[request.param]}), REGISTERED, kind)
    batch = make_up(kind.tensors, 8)
    assert bring_alive(small.stages, batch, features=REGISTERED.features) is None
    return request.param, small, small.headed(registry, 8), batch


def phase(**changes):
    return Phase(**{"name": "tune", "train": (*STAGES, HEAD), "solver": "gradient", "rates": {}, **changes})


def owners(small):
    """The class and name of the layer that has each weight, by the weight's name."""
    from headstart.engine.network.stages import weighted_layers

    return {
        f"{stage.name}/{index}/{variable.name}": (type(layer).__name__, layer.name)
        for stage in small.stages
        for index, layer in enumerate(weighted_layers(stage.model))
        for variable in layer.weights
    }


def learned(headed, plan):
    from headstart.engine.train.trainable import select_trainable

    return select_trainable(headed.network, plan, seed=0, batch_norm="frozen")


def test_norms_alone_learn_by_the_class_of_their_layers(made):
    form, small, headed, _ = made
    found = {name for name in learned(headed, phase(roles=(NORM,))).variables if not name.startswith(HEAD)}
    norms = {name for name, (kind, _) in owners(small).items() if kind == "LayerNormalization"}
    assert found == norms
    assert any(name.endswith("beta") for name in found) == (form == "bert")


def test_biases_alone_learn_where_there_are_any(made):
    from headstart.errors import UsageError

    form, small, headed, _ = made
    plan = phase(roles=("bias", "beta"))
    if form == "modernbert":
        with pytest.raises(UsageError, match="which have none"):
            learned(headed, plan)
        return
    found = {name for name in learned(headed, plan).variables if not name.startswith(HEAD)}
    assert found == {name for name in owners(small) if name.endswith(("/bias", "/beta"))}


def test_low_rank_updates_are_of_every_kernel_of_attention_and_feed_forward_layers(made):
    form, small, headed, _ = made
    adapted = learned(headed, phase(adapter=LowRank(2, 1.0))).adapter.adapted
    of = owners(small)
    expected = {"query", "key", "value", "attention_output", "hidden", "output", *(["gate"] if form != "bert" else [])}
    for block in ("block1", "block2"):
        assert {of[name][1] for name in adapted if name.startswith(block)} == expected
    assert {of[name][0] for name in adapted} == {"Dense"}


def test_a_block_and_what_lies_above_learns_and_all_below_is_frozen(made):
    form, _, headed, batch = made
    trained = headed.train_once(batch, ("block2", "pool"))
    assert trained.finite
    stages = {name.partition("/")[0] for name in trained.changed}
    assert stages == {"block2", HEAD, *(["pool"] if form != "bert" else [])}
    assert trained.changed == trained.learning


def test_cut_between_blocks_the_two_parts_answer_as_the_whole(made):
    from headstart.engine.device import forward

    _, _, headed, batch = made
    network = headed.network
    whole = forward(network, 0, len(network.stages))(batch)
    (logits,) = whole.values()
    assert logits.std() > 0.01
    for cut in (2, 4):  # above the embeddings, and above the last block
        below = forward(network, 0, cut)(batch)
        assert {array.dtype.name for array in below.values()} <= {"float32", "bool", "int32"}
        (again,) = forward(network, cut, len(network.stages))(below).values()
        np.testing.assert_allclose(again, logits, rtol=0, atol=1e-4 * max(1.0, logits.std()))


def request_of(spec):
    return StrategyRequest(
        options=spec.options(),
        stages=STAGES,
        train=None,
        solvable=True,
        augmented=False,
        views=None,
        epochs=None,
        learning_rate=None,
        family="transformer",
    )


def test_every_strategy_plans_phases_of_it(registry):
    rates = {}
    for spec in registry.specs("strategies"):
        if spec.short_name == "as_is":  # which trains nothing
            continue
        phases = registry.load_target(spec, spec.build)(request_of(spec))
        assert phases, spec.name
        rates[spec.short_name] = {
            stage: rate for plan in phases for stage, rate in plan.rates.items() if re.match("block|embed", stage)
        }
    assert rates["probe"] == {}
    assert rates["discriminative"]["block2"] > rates["discriminative"]["embeddings"]
    assert set(rates["gradual"]) == {"embeddings", "block1", "block2"}


@pytest.mark.parametrize("name", ["last_k", "gradual"])
def test_stages_from_the_top_are_those_with_weights(name, made, registry):
    """BERT's pooling has none: a phase that trained it alone would be refused."""
    from headstart.recipes.phases import PhasePlanner

    form, small, headed, _ = made
    spec = registry.get("strategies", name)
    weightless = tuple(stage.name for stage in small.stages if not stage.model.weights)
    assert weightless == (("pool",) if form == "bert" else ())
    first = PhasePlanner(spec, request_of(spec), registry, "frozen").plan(STAGES, weightless=weightless)[1]
    assert first.train == ("block2" if form == "bert" else "pool", HEAD)
    assert any(not name.startswith(HEAD) for name in learned(headed, first).variables)


def test_lowering_keeps_every_number(made, registry):
    from headstart.engine.device import forward
    from headstart.engine.lowering.registry import lowered

    _, _, headed, batch = made
    stages = len(headed.network.stages)
    (stock,) = forward(headed.network, 0, stages)(batch).values()
    (fast,) = forward(lowered(headed.network, registry), 0, stages)(batch).values()
    np.testing.assert_allclose(fast, stock, rtol=0, atol=1e-4 * max(1.0, stock.std()))

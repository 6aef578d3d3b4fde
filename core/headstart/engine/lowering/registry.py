"""Lowering: the same network in faster, numerically equal layers for the backend and device at hand.

A lowered layer holds its stock layers and owns no variables, so both networks share every weight: training one trains
the other, and names are read from the stock one. The artefact knows stock layers only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import keras

from headstart.engine.network.cutting import single_readers
from headstart.engine.network.network import Network
from headstart.errors import HeadstartError, PluginError
from headstart.spans import span
from headstart.specs import LoweringSpec, Stage

if TYPE_CHECKING:
    from headstart.registry import Registry

Rule = Callable[..., keras.Layer | None]
"""From the layers of a chain, one after the other, to the layer that stands for them all, or None."""
Rules = Mapping[str, Rule]
"""By the names of a chain's layer classes in a row, separated by spaces; most chains are one layer."""
Warn = Callable[[str], None]


def rules_for(
    backend: str, registry: Registry, warn: Warn | None = None, *, device: str | None = None
) -> dict[str, Rule]:
    """The rule for each chain of layer classes on `backend` and `device`; the first offered counts.

    `device` is "cpu", "gpu" or "tpu"; without it, the one that the process computes on. `warn` hears of rules that
    fail: their layers stay stock ones, since the answers are the same. Without it a PluginError is raised.
    """
    where = device or device_at_hand()
    rules: dict[str, Rule] = {}
    offered: tuple[LoweringSpec, ...] = registry.specs("lowerings")
    for spec in offered:
        chain = " ".join((spec.layer, *spec.then))
        if backend in spec.backends and where in spec.devices and chain not in rules:
            with _told(warn):
                rules[chain] = _careful(registry.load_target(spec, spec.build), warn)
    return rules


@span("lowering")
def lowered(network: Network, registry: Registry, warn: Warn | None = None) -> Network:
    """The network on the fastest layers that are offered for this backend and device."""
    return lower(network, rules_for(str(keras.backend.backend()), registry, warn), warn)


def device_at_hand() -> str:
    """What this process' backend computes on: "cpu", "gpu" or "tpu"."""
    if keras.backend.backend() == "jax":
        import jax

        return str(jax.default_backend())
    return "cpu" if keras.ops.zeros(()).device.type == "cpu" else "gpu"


def _careful(rule: Rule, warn: Warn | None) -> Rule:
    """`rule`, but off from its first failure on."""
    working = [rule]

    def lowered(*chain: keras.Layer) -> keras.Layer | None:
        for each in working:
            with _told(warn):
                return each(*chain)
            working.clear()
        return None

    return lowered


@contextlib.contextmanager
def _told(warn: Warn | None) -> Iterator[None]:
    try:
        yield
    except PluginError as exc:
        if warn is None:
            raise
        warn(f"{exc.message}; the stock layers are used")


def lower(network: Network, rules: Rules, warn: Warn | None = None) -> Network:
    """`network` with every chain of layers that a rule knows in its lowered form. Rules are by the names of Keras' own
    classes, in a row, or by that of another package's, such as `keras_hub.ViTEncoder`.

    Nested functional models are opened, and a composite layer with a method `lower` (`LowersItself`) is asked for its
    own form. Stages where nothing changes stay the same object. `warn` hears of composite layers that fail and stay
    as they are; without it a PluginError is raised.
    """
    lowered = (Stage(stage.name, _Pass(rules, warn).model(stage.model)) for stage in network.stages)
    pairs = zip(network.stages, lowered, strict=True)
    return replace(network, stages=tuple(old if new.model is old.model else new for old, new in pairs))


@dataclass
class _Pass:
    """One pass over a functional model; `done` has the new layer for each old one, None where a chain took it in."""

    rules: Rules
    warn: Warn | None
    done: dict[int, keras.Layer | None] = field(default_factory=dict)

    def model(self, model: keras.Model) -> keras.Model:
        """A clone on the new layers, or `model` itself where there are none."""
        readers = single_readers(model)
        for layer in model.layers:
            if id(layer) not in self.done:
                self._settle(layer, readers)
        if all(self.done[id(layer)] is layer for layer in model.layers):
            return model
        inputs = None
        if isinstance(model.input, dict):  # under their own names: Keras adds to names of tensors inside another graph
            inputs = {n: keras.Input(batch_shape=x.shape, dtype=x.dtype, name=n) for n, x in model.input.items()}
        # Keras asks for operations too, such as `keras.ops.relu(x)` on a tensor of the graph: no rule knows them
        return keras.models.clone_model(
            model, inputs, clone_function=lambda each: self.done.get(id(each), each) or _TakenIn(), call_function=_call
        )

    def _settle(self, layer: keras.Layer, readers: Mapping[int, keras.Layer]) -> None:
        chain = _chain_from(layer, readers)
        for length in range(len(chain), 0, -1):
            rule = self.rules.get(" ".join(type(each).__name__ for each in chain[:length]))
            if rule is None or any(id(each) in self.done for each in chain[:length]):
                continue
            new = rule(*chain[:length])
            if new is not None:
                self.done |= {id(each): None for each in chain[:length]} | {id(layer): new}
                return
        rule = self.rules.get(f"{type(layer).__module__.partition('.')[0]}.{type(layer).__name__}")
        self.done[id(layer)] = (rule and rule(layer)) or self._opened(layer)

    def _opened(self, layer: keras.Layer) -> keras.Layer:
        """A layer that no rule knows: a nested model is gone through, a composite layer asked."""
        if isinstance(layer, keras.Model) and hasattr(layer, "_nodes_by_depth"):
            return _Pass(self.rules, self.warn).model(layer)
        if not callable(getattr(type(layer), "lower", None)):
            return layer
        with _told(self.warn):
            try:
                return layer.lower(self._inner) or layer
            except HeadstartError:
                raise
            except Exception as exc:
                raise PluginError(
                    f"layer {layer.name!r}: {type(layer).__name__}.lower failed: {type(exc).__name__}: {exc}",
                    hint="tell the author of the backbone that it belongs to",
                ) from exc
        return layer

    def _inner(self, layer: keras.Layer) -> keras.Layer:
        """The form of a layer that a composite one holds."""
        inner = _Pass(self.rules, self.warn)
        inner._settle(layer, {})
        return inner.done[id(layer)]


class _TakenIn:
    """Stands for a layer that the lowered one before it computes too."""


def _call(layer: Any, *args: Any, **kwargs: Any) -> Any:
    return args[0] if isinstance(layer, _TakenIn) else layer(*args, **kwargs)


def _chain_from(layer: keras.Layer, readers: Mapping[int, keras.Layer]) -> list[keras.Layer]:
    """`layer` and those that alone read the one before, as far as all are Keras' own.

    Rules are for exactly the classes they name: a subclass may compute something else.
    """
    chain: list[keras.Layer] = []
    following: keras.Layer | None = layer
    while following is not None and type(following) is getattr(keras.layers, type(following).__name__, None):
        chain.append(following)
        following = readers.get(id(following))
    return chain

"""The contract of backbones, in levels: declared, built and trained on one backend, alike on both."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import SkipTest

from headstart.backend import VARIABLE, installed_backends
from headstart.errors import HeadstartError, PluginError
from headstart.specs import BACKENDS, FeatureSpec, InputKind, RemoteFile, Trims
from headstart.testing.contract import MOST_LISTED, Contract, ContractFailure, shared, told
from headstart.testing.declared import Declared
from headstart.testing.fresh_process import run_fresh
from headstart.testing.input_kinds import build_kind, input_of, make_up
from headstart.testing.values import differences
from headstart.weights.fetching import ALGORITHMS, UNKNOWN

if TYPE_CHECKING:
    import numpy as np

    from headstart.testing.backbones.network import Outputs, SmallNetwork, Trained

SAMPLES = 16
"""Rows of a batch; with fewer, statistics of a deep network magnify rounding."""


class BackboneOffer(Contract):
    """Base of the levels. `name` may also be a reference that its plugin resolves, such as `hub/resnet50`.

    `size` is the side length, width or duration that networks are built for: the spec's `tiny_size` where it is None.
    `options` go on top of the spec's `tiny`.
    """

    size: int | None = None

    _kind = "backbones"

    def batch(self, kind: InputKind, count: int) -> Mapping[str, np.ndarray]:
        """Prepared samples {name: (count, ...)} as `kind.tensors` says. Override it where made-up ones make no sense.

        Must give the same ones each time, without Keras.
        """
        return make_up(kind.tensors, count)

    @property
    @shared
    def spec(self) -> Any:
        """See `Contract`; a reference is opened by its plugin."""
        self._require_loaded()
        registered = {spec.name for spec in self.registry.specs(self._kind)}
        if self.name in registered or "resolve_backbone" not in self._published().hooks:
            return super().spec
        with self._explaining("it is not registered, and resolve_backbone does not open it: ", "Correct one of them."):
            return self.registry.resolve_backbone(self.name)

    def _variant(self) -> Any:
        """The options of the small network that is built."""
        return self._chosen_options({**self.spec.given, **self.spec.tiny, **self.options})

    def _skip_where_refused(self, backend: str) -> None:
        reason = self.spec.refuses.get(backend)
        self._skip_where(reason, f"{self.name} refuses the backend {backend}: {reason}")

    @shared
    def _input_kind(self) -> InputKind:
        try:
            spec = input_of(self.registry, self.spec)
            return build_kind(self.registry, spec, self.spec.preprocess, self.size or self.spec.tiny_size)
        except Exception as exc:  # of a third party's input kind
            self._fail(
                f"the input kind of the tensors {self.spec.takes!r} cannot be built: {exc}",
                "See level A: BackboneDeclared.",
            )


AXES = ("batch", "height", "width", "time", "token", "channel")
MAP = re.compile(r"map@([1-9]\d*)")
FEATURES = "`pooled`, `tokens`, or `map@` and a stride, such as map@32"


class BackboneDeclared(BackboneOffer, Declared):
    """The spec of a backbone is complete and says what can be true."""

    def test_the_licence_of_network_and_weights_is_stated(self) -> None:
        """A user must know what may be done with each file."""
        self._require_licence(self.spec.licence, "the network")
        for weights in self.spec.weights:
            self._require_licence(weights.licence, f"the weights {weights.name!r}")
            self._require(
                weights.source.strip(),
                f"the weights {weights.name!r} do not say where they are from",
                "Fill `source`: who trained them, and who publishes the file.",
            )
            self._require(
                weights.trained_on.strip(),
                f"the weights {weights.name!r} do not say what they were trained on",
                "Fill `trained_on`: the data and the task; or leave it out where that is not known.",
            )

    def test_sizes_and_digests_are_given_or_unknown(self) -> None:
        """Digests are those that the publisher states: an algorithm and that many hex digits, or "unknown"."""
        for weights in self.spec.weights:
            self._require(
                weights.size is None or weights.size > 0,
                f"the weights {weights.name!r} have a size of {weights.size} bytes",
                "State the size of the file, or None where the publisher does not.",
            )
            if weights.digest != UNKNOWN:
                self._require(
                    weights.algorithm in ALGORITHMS,
                    f"the weights {weights.name!r} name the digest algorithm {weights.algorithm!r}",
                    f"Use what the publisher states, one of {', '.join(ALGORITHMS)}; or set digest to {UNKNOWN!r}.",
                )
                digits = 2 * hashlib.new(weights.algorithm, usedforsecurity=False).digest_size
                self._require(
                    re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", weights.digest),
                    f"the digest of the weights {weights.name!r} is {weights.digest!r} ({len(weights.digest)} "
                    f"characters), and {weights.algorithm} has {digits} hex digits",
                    f"Copy the digest that the publisher states, or set it to {UNKNOWN!r}.",
                )

    def test_weights_have_names_of_their_own_and_a_place(self) -> None:
        """`--weights NAME` finds one set, and `weights get` knows what to fetch."""
        names = [weights.name for weights in self.spec.weights]
        for weights in self.spec.weights:
            self._require(
                weights.name.strip() and names.count(weights.name) == 1,
                f"its weights are called {names}",
                "Give each set a name of its own.",
            )
            origin = weights.origin
            if isinstance(origin, RemoteFile):
                self._require(
                    origin.url.startswith("https://") and origin.filename and "/" not in origin.filename,
                    f"the weights {weights.name!r} come from {origin}",
                    "Give an address that starts with https:// and the bare name of the file.",
                )

    def test_features_are_named_and_shaped_in_known_words(self) -> None:
        """Names and axes are those that tasks ask for; the batch comes first, channels last."""
        names = [feature.name for feature in self.spec.features]
        self._require(
            names and len(set(names)) == len(names),
            f"its features are called {names}",
            f"Offer at least one feature, each under a name of its own: {FEATURES}.",
        )
        for feature in self.spec.features:
            where, stride = f"the feature {feature.name!r}", MAP.fullmatch(feature.name)
            tasks = self.registry.specs("tasks")
            asked = {name for task in tasks for each in (task.features, *task.head_features.values()) for name in each}
            self._require(
                stride or feature.name in {"pooled", "tokens", *asked},
                f"{where} is in no task's words",
                f"Call it {FEATURES}, or what an installed task asks for.",
            )
            axes = feature.axes
            self._require(
                axes and axes[0] == "batch" and axes[-1] == "channel" and set(axes) <= set(AXES),
                f"{where} has the axes {axes}",
                f"Name them in order, batch first and channel last, out of {', '.join(AXES)}.",
            )
            self._require(
                feature.channels is None or feature.channels > 0,
                f"{where} has {feature.channels} channels",
                "State the size of its channel axis, or None where only the built network knows it.",
            )
            self._require(
                stride is None or feature.stride == int(stride[1]),
                f"{where} has the stride {feature.stride}",
                "The number after map@ is the stride: input pixels per pixel of the map.",
            )

    def test_its_preprocessing_is_one_that_the_input_kind_knows(self) -> None:
        """Preprocessing belongs to the weights; the input kind reads it, so it must know every value."""
        kind = self._input_spec()
        stated = [("preprocess", self.spec.preprocess)]
        stated += [(f"preprocess of the weights {weights.name!r}", weights.preprocess) for weights in self.spec.weights]
        for where, preprocess in stated:
            with self._explaining(f"{where} is refused by {kind.name}: ", "Correct the value."):
                build_kind(self.registry, kind, preprocess)

    def _targets(self) -> Iterator[tuple[str, str]]:
        yield from super()._targets()
        for weights in self.spec.weights:
            yield f"load of the weights {weights.name!r}", weights.load
            if weights.head is not None:
                yield f"load of the head of the weights {weights.name!r}", weights.head.load
            fetch: Any = getattr(weights.origin, "fetch", None)
            if fetch is not None:
                yield f"fetch of the weights {weights.name!r}", fetch


RUNS = "Each stage must take what the stage below gives, in training and in inference."
DRAWS = "Draw nothing while it is built or called: random numbers, clocks and counters of the process differ each time."
NAMES = "Name the sublayers of composite layers yourself, by their place, and make all weights when it is built."


class BackboneBuilt(BackboneOffer):
    """Builds the `tiny` variant with random weights, calibrated, on KERAS_BACKEND or the first installed backend, and
    makes one update of all stages but the lowest, below a linear head, on made-up classes.

    `without_gradient` names the weights (`stage/index/role`) that no gradient reaches, on purpose.
    """

    without_gradient: tuple[str, ...] = ()

    def test_its_stages_are_those_that_it_declares(self) -> None:
        """Each a model from named tensors to named tensors; together a chain."""
        self._require_sound(
            "", next(self._built().stage_problems(), None), "Correct `stages` in the spec, or the build target."
        )
        full = {stage.name for stage in self._built().stages if stage.model.weights}
        wrong = [name for name in self.spec.weightless if name in full or name not in (self.spec.stages or ())]
        self._require(
            not wrong,
            f"it declares {', '.join(wrong)} as weightless, which is no stage or has weights",
            "Correct `weightless` in the spec.",
        )

    def test_no_tensor_between_its_stages_is_dead(self) -> None:
        """Random networks are often dead, and on a dead one everything is equal: activations need a sensible scale."""
        self._require_sound(
            "its calibrated tiny variant is dead: ",
            self._dead(),
            "Look for constants that scale a branch to nothing, and for normalisation that is missing.",
        )

    def test_its_features_are_where_it_says_and_finite(self) -> None:
        """Stage, tensor, axes, stride and mask of each feature, and no NaN or infinity in any."""
        network = self._alive()
        self._require_sound(
            "",
            next(network.feature_problems(self._images(), self._outputs(network)), None),
            "Correct the FeatureSpec, or what the stage gives.",
        )

    def test_its_default_options_give_the_declared_channels_and_parameters(self) -> None:
        """What a listing shows is about the network that users get, not about the tiny one."""
        self._skip_where(
            self.spec.parameters is None and all(feature.channels is None for feature in self.spec.features),
            f"{self.name} declares neither channels nor parameters",
        )
        default = self._chosen_options(self.spec.given)
        network = self._built() if default == self._variant() else self._build(default)
        self._require_sound(
            "", next(network.channel_problems(), None), "State what the default options give; `tiny` has no say."
        )
        self._require(
            self.spec.parameters in (None, network.parameters),
            f"it declares {self.spec.parameters} parameters and has {network.parameters}",
            "Count every number in its weights, statistics of normalisation included; or leave `parameters` out.",
        )

    def test_saved_and_loaded_it_answers_the_same(self) -> None:
        """Weights written by name and read into a new network give equal outputs, to the bit."""
        network, twin = self._alive(), self._twin()
        from headstart.engine.network.lsuv_init import seed_arrays
        from headstart.weights.files import read_safetensors, write_safetensors

        seed_arrays(twin.stages, seed=1)  # other weights, so that all of them have to come from the file
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / WEIGHTS
            write_safetensors(file, network.arrays)
            with self._explaining("a second build cannot take the weights of the first: ", NAMES):
                twin.assign(read_safetensors(file), "what it saved itself")
        self._require_none(
            differences(self._outputs(network), self._outputs(twin)),
            "loaded into a new network, its weights give other outputs: {odd}",
            "Something that it computes with is no weight: keep it in a variable of a layer (add_weight).",
        )

    def test_names_of_weights_do_not_depend_on_what_was_built_before(self) -> None:
        """Weights are stored as `stage/index/role`; counters of the process must not be in the role."""
        first, second = list(self._built().variables), list(self._twin().variables)
        odd = ", ".join(sorted(set(first) ^ set(second))[:MOST_LISTED]) or "in their order"
        self._require(first == second, f"built twice in one process, the names of its weights differ: {odd}", NAMES)

    def test_the_same_seed_gives_the_same_bits(self) -> None:
        """Two networks from one seed have equal weights and equal outputs."""
        network, twin = self._alive(), self._twin()
        self._bring_alive(twin)  # whatever another test put into it
        for what, odd in (
            ("have other weights", differences(network.arrays, twin.arrays)),
            ("give other outputs", differences(self._outputs(network), self._outputs(twin))),
        ):
            self._require_none(odd, f"two builds from one seed {what}: {{odd}}", DRAWS)

    def test_answering_twice_gives_the_same_and_changes_no_weight(self) -> None:
        """Inference is a function of weights and input, and leaves both alone."""
        network = self._alive()
        before = network.arrays
        first, second = self._outputs(network), self._outputs(network)
        self._require_none(
            differences(before, network.arrays),
            "answering changes its weights: {odd}",
            "A layer updates itself although it was called with training=False: look at its `call`.",
        )
        self._require_none(differences(first, second), "the same input is answered in two ways: {odd}", DRAWS)

    def test_rows_of_any_length_come_to_what_they_come_to_when_padded(self) -> None:
        """Where its spec says `any_length`: cut to a length between two static ones, and with padding up to the next
        of these, a batch has the same features. Tried where no program is compiled for a length: there it is used."""
        backend = self._backend()
        if not self.spec.any_length:
            return
        from headstart.data.lengths import cut_to, padded_from
        from headstart.engine.device import compiles_each_shape

        self._skip_where(compiles_each_shape(), f"{backend} compiles each length, so that static ones are taken there")
        kind, change = self._input_kind(), "Leave `any_length` out of the spec."
        axes = {name: each.length_axis for name, each in kind.tensors.items() if each.length_axis is not None}
        if not isinstance(kind, Trims) or not axes or len(kind.lengths) < 2:
            self._fail("it says any_length, and its input kind has no lengths between which there are others", change)
        shorter, static = kind.lengths[:2]
        length = min(shorter + 3, static - 1)  # odd where the static ones are even
        network, cut = self._alive(), cut_to(self._batch(), axes, length, kind.lengths[-1])
        found, expected = (self._outputs(network, rows) for rows in (cut, padded_from(cut, axes, length, static)))
        for feature in self.spec.features:
            self._require_sound(
                f"of rows that are {length} long and not padded to {static} ",
                _length_problem(feature, found, expected),
                f"{change} Strides along the length need static lengths, and padding must be masked.",
            )

    def test_freezing_each_stage_leaves_exactly_the_others_to_learn(self) -> None:
        """Phases freeze by name; a backbone that freezes layers itself takes that choice from its user."""
        network = self._built()
        self._require_none(
            network.frozen_layers(),
            "these layers are built with trainable=False: {odd}",
            "Remove it: what learns is the choice of the strategy and of the user.",
        )
        self._require_sound("", next(network.freezing_problems(), None), "Give each stage weights of its own.")

    def test_a_training_step_changes_nothing_that_is_frozen(self) -> None:
        """The lowest stage does not learn here, nor do weights that were made with trainable=False."""
        trained = self._trained()
        self._require(
            trained.finite,
            f"after one step the loss is {trained.loss}, or a gradient is not finite",
            "Look for divisions by zero, roots at zero and exponentials that overflow.",
        )
        self._require_none(
            sorted(trained.changed - trained.learning - trained.statistics),
            "an update of the upper stages changed weights that do not learn: {odd}",
            "A layer changes its own weights when it is called; leave that to the optimizer.",
        )

    def test_a_training_step_leaves_statistics_of_normalisation_fixed(self) -> None:
        """A backbone always runs in inference mode: moving means and variances stay those of its source."""
        trained = self._trained()
        self._skip_where(not trained.statistics, f"{self.name} has no moving statistics")
        self._require_none(
            sorted(trained.changed & trained.statistics),
            "a training step moved the statistics {odd}",
            "Update them only where a layer is called with training=True.",
        )

    def test_a_training_step_changes_every_weight_that_learns(self) -> None:
        """At least one number of each; see `without_gradient` for those that are meant to stay."""
        trained = self._trained()
        self._require_none(
            sorted(trained.learning - trained.changed - set(self.without_gradient)),
            "an update leaves these weights exactly as they were: {odd}",
            "No gradient reaches them: look for stop_gradient, rounding, or a branch that nothing uses; where that is "
            f"meant, name them in `without_gradient` of {self._title}.",
        )

    def test_a_backend_that_it_refuses_is_refused_with_the_reason(self) -> None:
        """`refuses` in the spec is tested, not trusted."""
        backend = self._backend()
        if backend not in self.spec.refuses:
            return
        target = self._load(self.spec.build)
        from headstart.testing.backbones.network import SmallNetwork

        try:
            SmallNetwork.build(target, self._variant(), self.spec, self._input_kind())
        except PluginError as exc:
            self._fail(f"on {backend} it raises {told(exc)}", "Raise UsageError with the reason instead.")
        except HeadstartError as exc:
            self._require(
                backend in str(exc), f"the refusal does not name {backend}: {exc}", "Say what is refused, and why."
            )
        else:
            self._fail(f"the spec says that it refuses {backend}, but it builds there", "Take it out of `refuses`.")

    @shared
    def _built(self) -> SmallNetwork:
        """The small network as the build target gives it, or as `_dead` left it."""
        return self._build(self._variant())

    @shared
    def _dead(self) -> str | None:
        """Seeds and calibrates the small network; what is found dead in it."""
        return self._bring_alive(self._built())

    def _alive(self) -> SmallNetwork:
        """The small network, seeded and calibrated."""
        self._dead()
        return self._built()

    @shared
    def _twin(self) -> SmallNetwork:
        """The same network, built a second time and seeded alike."""
        self._built()
        import keras

        keras.layers.Dense(1).build((None, 1))  # so that Keras' counters have moved when the second one is built
        return self._build(self._variant())

    def _build(self, options: Any) -> SmallNetwork:
        """Call the build target; skips where it refuses this backend."""
        backend = self._backend()
        self._skip_where_refused(backend)
        from headstart.testing.backbones.network import SmallNetwork

        target, kind = self._load(self.spec.build), self._input_kind()
        change = f"Correct the build target, or say in the spec why not: refuses={{{backend!r}: 'the reason'}}."
        with self._raising(f"building it with {options} on {backend}", change):
            return SmallNetwork.build(target, options, self.spec, kind)

    def _bring_alive(self, network: SmallNetwork) -> str | None:
        from headstart.testing.backbones.network import bring_alive

        with self._raising("running its stages", RUNS):
            return bring_alive(network.stages, self._images(), features=self.spec.features)

    @shared
    def _batch(self) -> Mapping[str, np.ndarray]:
        """Prepared samples."""
        return self.batch(self._input_kind(), SAMPLES)

    @shared
    def _images(self) -> Mapping[str, np.ndarray]:
        """The batch after the input kind's stage."""
        self._backend()
        from headstart.testing.backbones.network import preprocessed

        return preprocessed(self._input_kind(), self._batch())

    def _outputs(self, network: SmallNetwork, batch: Mapping[str, np.ndarray] | None = None) -> Outputs:
        """What `network` gives for the batch, or for these prepared samples, now."""
        from headstart.testing.backbones.network import preprocessed, run_stages

        images = self._images() if batch is None else preprocessed(self._input_kind(), batch)
        with self._raising("running its stages", RUNS):
            return run_stages(network.stages, images)

    @shared
    def _trained(self) -> Trained:
        """The small network before and after one update of all stages but the lowest."""
        network = self._alive()
        self._skip_where(
            self._dead() is not None, f"{self.name} is dead, so nothing can be learned: see the test of dead tensors"
        )
        upper = tuple(stage.name for stage in network.stages[1:] or network.stages)
        with self._raising("one step of training", RUNS):
            headed = network.headed(self.registry, SAMPLES)
            if headed is None:
                raise SkipTest(f"no installed task takes a feature of {self.name}")
            return headed.train_once(self._batch(), upper)


TOLERANCE = 1e-4
"""Of max(1, standard deviation of the reference)."""
LOWEST_STD = 0.01
"""Below it a tensor is dead, and equal to anything."""
REFERENCE, OTHER = "torch", "jax"
WEIGHTS, BATCH = "weights.safetensors", "batch.safetensors"
SEPARATOR = "/"
"""Between stage and tensor in the names of arrays; no stage may have it in its name."""


def _length_problem(feature: FeatureSpec, found: Outputs, expected: Outputs) -> str | None:
    """How a feature of rows differs from that of the same rows with more padding; None where it does not. Of one that
    has a length, what is padding in the shorter rows is not looked at."""
    import numpy as np

    key = (feature.stage, feature.tensor)
    own, padded = found[key], expected[key]
    padded = padded[tuple(map(slice, own.shape))]
    if own.shape != padded.shape:
        return f"the feature {feature.name!r} has the shape {own.shape}, and {expected[key].shape} when padded"
    if feature.mask is not None:
        seen = found[feature.stage, feature.mask].astype(bool)
        if seen.shape != own.shape[: seen.ndim]:
            return f"the feature {feature.name!r} has the shape {own.shape}, and its mask {seen.shape}"
        own, padded = own[seen], padded[seen]
    apart, spread = float(np.abs(own - padded).max()), float(padded.std())
    if spread <= LOWEST_STD:
        return f"the feature {feature.name!r} has a standard deviation of {spread:.2g}: too dead to be compared"
    if apart > TOLERANCE * max(1.0, spread):
        return f"the feature {feature.name!r} differs by {apart:.2g}"
    return None


class BackboneAgrees(BackboneOffer):
    """The `tiny` variant on torch, and again on jax with the weights that torch wrote. Needs both installed.

    Stages are compared in pieces of about a dozen layers, and each piece on jax reads what the piece below it gave on
    torch. A random network with BatchNorm magnifies the smallest difference on its way up, exponentially with depth
    (Yang et al. 2019, "A mean field theory of batch normalization"): whole deep ones do not agree to 1e-4 in float32,
    not even with themselves in float64.
    """

    def test_both_backends_answer_alike(self) -> None:
        """Every tensor of every stage, features among them, within 1e-4 of its scale, which is more than 0.01."""
        for backend in BACKENDS:
            self._skip_where_refused(backend)
            self._skip_where(
                backend not in installed_backends(),
                f'the backend {backend} is not installed: pip install "headstart[{backend}]"',
            )
        self._skip_without_requirements()
        from headstart.weights.files import write_safetensors

        with tempfile.TemporaryDirectory(prefix="headstart-") as folder:
            write_safetensors(Path(folder) / BATCH, self.batch(self._input_kind(), SAMPLES))
            expected = self._answers(REFERENCE, folder, inputs=None)
            found = self._answers(OTHER, folder, inputs=f"{REFERENCE}.npz")
        for (stage, name), array in expected.items():
            self._compare(f"tensor {name!r} of stage {stage!r}", array, found[stage, name])

    def _answers(self, backend: str, folder: str, *, inputs: str | None) -> Outputs:
        """What each stage gives; weights are made, or read where there are `inputs` from another backend."""
        request = {"offer": {**self._named(), "size": self.size, "folder": folder}, "inputs": inputs}
        here = Path.cwd()  # a reference may be a path from here
        fresh = run_fresh(_answer, request, folder=here, environment={VARIABLE: backend})
        self._require(
            fresh.reply is not None,
            f"on {backend} it does not answer:{os.linesep}{fresh.error}",
            "See level B on that backend.",
        )
        self._require_sound(f"on {backend}: ", fresh.reply["error"], "See level B on that backend.")
        return read_outputs(Path(folder) / f"{backend}.npz")

    def _compare(self, what: str, expected: np.ndarray, found: np.ndarray) -> None:
        import numpy as np

        self._require(
            expected.shape == found.shape,
            f"the {what} has the shape {expected.shape} on {REFERENCE} and {found.shape} on {OTHER}",
            "Build the same layers on both.",
        )
        is_float = np.issubdtype(expected.dtype, np.floating)
        spread = float(expected.std())
        self._require(
            spread > LOWEST_STD or not is_float,
            f"the {what} has a standard deviation of {spread:.2g}: too dead to be compared",
            "See level B: no tensor may be dead.",
        )
        apart = float(np.abs(expected.astype(np.float64) - found).max())
        allowed = TOLERANCE * max(1.0, spread) if is_float else 0.0
        self._require(
            apart <= allowed,
            f"with equal weights and inputs, the {what} differs between {REFERENCE} and {OTHER} by {apart:.2g}, "
            f"of {allowed:.2g} allowed",
            "Look for code that asks for the backend, for layers that pad or round by themselves, and for values that "
            f"are no weights. A composite layer of very many others magnifies rounding: make a Functional model of it, "
            f"or try a larger `size` in {self._title}.",
        )


class BackboneContract(BackboneDeclared, BackboneBuilt, BackboneAgrees):
    """All that a backbone must do. Set `name`; see `headstart.testing`."""


class _Given(BackboneBuilt):
    """The offer in a process of one backend; its batch lies in `folder`."""

    folder: str

    def batch(self, kind: InputKind, count: int) -> Mapping[str, np.ndarray]:
        """See `BackboneOffer`."""
        from headstart.weights.files import read_safetensors

        return read_safetensors(Path(self.folder) / BATCH)


def _answer(request: Mapping[str, Any]) -> dict[str, str | None]:
    """In a fresh process: give the small network weights, or those that lie in the folder, and write what each piece
    of it gives for the batch there. {"error": what went wrong, or None}."""
    try:
        return {"error": _write_answers(_Given._again(request["offer"]), request["inputs"])}
    except (HeadstartError, ContractFailure) as exc:
        return {"error": str(exc)}


def _write_answers(contract: _Given, inputs: str | None) -> str | None:
    """What is dead, so that nothing was written; None where all is well."""
    network, folder = contract._built(), Path(contract.folder)
    import numpy as np

    from headstart.testing.backbones.network import cut_finely
    from headstart.weights.files import read_safetensors, write_safetensors

    if inputs is not None:
        network.assign(read_safetensors(folder / WEIGHTS), "the weights written on the other backend")
    elif dead := contract._dead():
        return dead
    else:
        write_safetensors(folder / WEIGHTS, network.arrays)
    headed = network.headed(contract.registry, SAMPLES, cut_finely(network.stages))
    if headed is None:
        return "no installed task takes one of its features"
    given = None if inputs is None else read_outputs(folder / inputs)
    found = headed.stage_by_stage(network.spec, contract._batch(), given)
    named: Any = {SEPARATOR.join(key): each for key, each in found.items()}
    np.savez(folder / f"{contract._backend()}.npz", **named)  # which keeps the order of the stages
    return None


def read_outputs(file: Path) -> Outputs:
    """What each stage gave, by stage and tensor, in the order of the stages."""
    import numpy as np

    with np.load(file) as stored:
        parted = ((key.partition(SEPARATOR), array) for key, array in stored.items())
        return {(stage, name): array for (stage, _, name), array in parted}

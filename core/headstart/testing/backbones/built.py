"""Level B of backbones, on one backend and offline: the network is what the spec says, and always the same."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from unittest import SkipTest

from headstart.errors import HeadstartError, PluginError
from headstart.testing.backbones.trained import BackboneTrained
from headstart.testing.contract import told

DRAWS = "Draw nothing while it is built or called: random numbers, clocks and counters of the process differ each time."
NAMES = "Name the sublayers of composite layers yourself, by their place, and make all weights when it is built."


class BackboneBuilt(BackboneTrained):
    """Builds the `tiny` variant with random weights, calibrated, on KERAS_BACKEND or the first installed backend."""

    def test_its_stages_are_those_that_it_declares(self) -> None:
        """Each a model from named tensors to named tensors; together a chain."""
        stages = self._built()
        from headstart.testing.backbones.findings import stage_problems

        self._report(stage_problems(stages, self.spec.stages), "Correct `stages` in the spec, or the build target.")

    def test_no_tensor_between_its_stages_is_dead(self) -> None:
        """Random networks are often dead, and on a dead one everything is equal: activations need a sensible scale."""
        dead = self._dead()
        self._require(
            dead is None,
            f"its calibrated tiny variant is dead: {dead}",
            "Look for constants that scale a branch to nothing, and for normalisation that is missing.",
        )

    def test_its_features_are_where_it_says_and_finite(self) -> None:
        """Stage, tensor, axes, stride and mask of each feature, and no NaN or infinity in any."""
        stages = self._alive()
        from headstart.testing.backbones.findings import feature_problems

        problems = feature_problems(self.spec.features, self._outputs(stages), inputs=self._images())
        self._report(problems, "Correct the FeatureSpec, or what the stage gives.")

    def test_its_default_options_give_the_declared_channels_and_parameters(self) -> None:
        """What a listing shows is about the network that users get, not about the tiny one."""
        channels = [feature for feature in self.spec.features if feature.channels is not None]
        if not channels and self.spec.parameters is None:
            raise SkipTest(f"{self.name} declares neither channels nor parameters")
        default = self._chosen_options(self.spec.given)
        stages = self._built() if default == self._variant() else self._build(default)
        from headstart.testing.backbones.findings import count_parameters, wrong_channels

        self._report(wrong_channels(channels, stages), "State what the default options give; `tiny` has no say.")
        found = count_parameters(stages)
        self._require(
            self.spec.parameters in (None, found),
            f"it declares {self.spec.parameters} parameters and has {found}",
            "Count every number in its weights, statistics of normalisation included; or leave `parameters` out.",
        )

    def test_saved_and_loaded_it_answers_the_same(self) -> None:
        """Weights written by name and read into a new network give equal outputs, to the bit."""
        stages, twin = self._alive(), self._twin()
        from headstart.engine.network.lsuv_init import seed_arrays
        from headstart.engine.network.stages import assign_arrays, read_arrays
        from headstart.testing.backbones.findings import differences
        from headstart.weights.files import read_safetensors, write_safetensors

        seed_arrays(twin, seed=1)  # other weights, so that all of them have to come from the file
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "weights.safetensors"
            write_safetensors(file, read_arrays(stages))
            try:
                assign_arrays(twin, read_safetensors(file), source="what it saved itself")
            except HeadstartError as exc:
                self._fail(f"a second build cannot take the weights of the first: {exc}", NAMES)
        found = differences(self._outputs(stages), self._outputs(twin))
        self._require(
            not found,
            f"loaded into a new network, its weights give other outputs: {found}",
            "Something that it computes with is no weight: keep it in a variable of a layer (add_weight).",
        )

    def test_names_of_weights_do_not_depend_on_what_was_built_before(self) -> None:
        """Weights are stored as `stage/index/role`; counters of the process must not be in the role."""
        stages, twin = self._built(), self._twin()
        from headstart.engine.network.stages import name_variables

        first, second = list(name_variables(stages)), list(name_variables(twin))
        odd = ", ".join(sorted(set(first) ^ set(second))[:6]) or "in their order"
        self._require(first == second, f"built twice in one process, the names of its weights differ: {odd}", NAMES)

    def test_the_same_seed_gives_the_same_bits(self) -> None:
        """Two networks from one seed have equal weights and equal outputs."""
        stages, twin = self._alive(), self._twin()
        from headstart.engine.network.stages import read_arrays
        from headstart.testing.backbones.findings import differences

        self._bring_alive(twin)  # whatever another test put into it
        weights = differences(read_arrays(stages), read_arrays(twin))
        self._require(not weights, f"two builds from one seed have other weights: {weights}", DRAWS)
        outputs = differences(self._outputs(stages), self._outputs(twin))
        self._require(not outputs, f"two builds from one seed give other outputs: {outputs}", DRAWS)

    def test_answering_twice_gives_the_same_and_changes_no_weight(self) -> None:
        """Inference is a function of weights and input, and leaves both alone."""
        stages = self._alive()
        from headstart.engine.network.stages import read_arrays
        from headstart.testing.backbones.findings import differences

        before = read_arrays(stages)
        first, second = self._outputs(stages), self._outputs(stages)
        moved = differences(before, read_arrays(stages))
        self._require(
            not moved,
            f"answering changes its weights: {moved}",
            "A layer updates itself although it was called with training=False: look at its `call`.",
        )
        odd = differences(first, second)
        self._require(not odd, f"the same input is answered in two ways: {odd}", DRAWS)

    def test_a_backend_that_it_refuses_is_refused_with_the_reason(self) -> None:
        """`refuses` in the spec is tested, not trusted."""
        backend = self._backend()
        if backend not in self.spec.refuses:
            return
        target = self._load(self.spec.build)
        from headstart.testing.backbones.network import build_stages

        try:
            build_stages(target, self._variant(), self._input_kind())
        except PluginError as exc:
            self._fail(f"on {backend} it raises {told(exc)}", "Raise UsageError with the reason instead.")
        except HeadstartError as exc:
            self._require(
                backend in str(exc), f"the refusal does not name {backend}: {exc}", "Say what is refused, and why."
            )
        else:
            self._fail(f"the spec says that it refuses {backend}, but it builds there", "Take it out of `refuses`.")

    def _report(self, problems: Iterable[str], change: str) -> None:
        for problem in problems:
            self._fail(problem, change)

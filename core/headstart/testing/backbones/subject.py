"""What the tests of one backbone share: its small network, built once, and a second one that was built after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from unittest import SkipTest

from headstart.backend import activate, choose_backend
from headstart.errors import UsageError
from headstart.testing.backbones.offer import SAMPLES, BackboneOffer
from headstart.testing.contract import told

if TYPE_CHECKING:
    import numpy as np

    from headstart.specs import Stage
    from headstart.testing.backbones.network import Outputs, Trained

RUNS = "Each stage must take what the stage below gives, in training and in inference."


class BackboneSubject(BackboneOffer):
    """Base of level B. Everything here is made once a class, when it is first asked for."""

    def _backend(self) -> str:
        """The backend of this process: KERAS_BACKEND, or the first installed one."""
        try:
            choice = choose_backend(None)
        except UsageError as exc:
            raise SkipTest(f"{exc}: {exc.hint}") from exc
        activate(choice)
        return choice.name

    def _built(self) -> tuple[Stage, ...]:
        """The small network as the build target gives it, or as `_alive` left it."""
        return self._once("built", lambda: self._build(self._variant()))

    def _alive(self) -> tuple[Stage, ...]:
        """The small network, seeded and calibrated."""
        return self._calibrated()[0]

    def _twin(self) -> tuple[Stage, ...]:
        """The same network, built a second time and seeded alike."""
        return self._once("twin", self._make_twin)

    def _dead(self) -> str | None:
        """What calibration found dead in the small network."""
        return self._calibrated()[1]

    def _calibrated(self) -> tuple[tuple[Stage, ...], str | None]:
        stages = self._built()
        return self._once("calibrated", lambda: (stages, self._bring_alive(stages)))

    def _make_twin(self) -> tuple[Stage, ...]:
        self._built()
        import keras

        keras.layers.Dense(1).build((None, 1))  # so that Keras' counters have moved when the second one is built
        return self._build(self._variant())

    def _bring_alive(self, stages: tuple[Stage, ...]) -> str | None:
        from headstart.testing.backbones.network import bring_alive

        try:
            return bring_alive(stages, self._images(), features=self.spec.features)
        except Exception as exc:  # of the author's layers
            self._fail(f"running its stages raises {told(exc)}", RUNS)

    def _build(self, options: Any) -> tuple[Stage, ...]:
        """Call the build target; skips where it refuses this backend."""
        backend = self._backend()
        if reason := self.spec.refuses.get(backend):
            raise SkipTest(f"{self.name} refuses the backend {backend}: {reason}")
        from headstart.testing.backbones.network import build_stages

        target = self._load(self.spec.build)
        try:
            return build_stages(target, options, self._input_kind())
        except Exception as exc:  # of the author's code
            self._fail(
                f"building it with {options} on {backend} raises {told(exc)}",
                f"Correct the build target, or say in the spec why not: refuses={{{backend!r}: 'the reason'}}.",
            )

    def _batch(self) -> Mapping[str, np.ndarray]:
        """Prepared samples."""
        return self._once("batch", lambda: self.batch(self._input_kind(), SAMPLES))

    def _images(self) -> Mapping[str, np.ndarray]:
        """The batch after the input kind's stage."""
        return self._once("images", self._preprocess)

    def _preprocess(self) -> Mapping[str, np.ndarray]:
        self._backend()
        from headstart.testing.backbones.network import preprocessed

        return preprocessed(self._input_kind(), self._batch())

    def _outputs(self, stages: tuple[Stage, ...]) -> Outputs:
        """What `stages` give for the batch, now."""
        from headstart.testing.backbones.network import run_stages

        try:
            return run_stages(stages, self._images())
        except Exception as exc:  # of the author's layers
            self._fail(f"running its stages raises {told(exc)}", RUNS)

    def _trained(self) -> Trained:
        """The small network before and after one update of all stages but the lowest."""
        return self._once("trained", self._train)

    def _train(self) -> Trained:
        stages = self._alive()
        if self._dead() is not None:
            raise SkipTest(f"{self.name} is dead, so nothing can be learned: see the test of dead tensors")
        from headstart.engine.network.stages import assign_arrays
        from headstart.testing.backbones.network import train_once, with_head

        upper = tuple(stage.name for stage in stages[1:] or stages)
        try:
            headed = with_head(self._input_kind(), stages, self.spec, self.registry)
            if headed is None:
                raise SkipTest(f"no installed task takes a feature of {self.name}")
            trained = train_once(headed, self._batch(), upper)
        except Exception as exc:  # of the author's layers
            if isinstance(exc, SkipTest):
                raise
            self._fail(f"one step of training raises {told(exc)}", RUNS)
        assign_arrays(headed.network.learned, trained.before, source="the weights from before the step")
        return trained

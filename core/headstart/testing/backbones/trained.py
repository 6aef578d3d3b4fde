"""What level B asks of a backbone in training: what is frozen stays, what learns moves."""

from __future__ import annotations

from unittest import SkipTest

from headstart.testing.backbones.subject import BackboneSubject


class BackboneTrained(BackboneSubject):
    """One update of all stages but the lowest, below a linear head, on made-up classes.

    `without_gradient` names the weights (`stage/index/role`) that no gradient reaches, on purpose.
    """

    without_gradient: tuple[str, ...] = ()

    def test_freezing_each_stage_leaves_exactly_the_others_to_learn(self) -> None:
        """Phases freeze by name; a backbone that freezes layers itself takes that choice from its user."""
        stages = self._built()
        from headstart.testing.backbones.findings import freezing_problems, frozen_layers

        frozen = frozen_layers(stages)
        self._require(
            not frozen,
            f"these layers are built with trainable=False: {', '.join(frozen[:6])}",
            "Remove it: what learns is the choice of the strategy and of the user.",
        )
        for problem in freezing_problems(stages):
            self._fail(problem, "Give each stage weights of its own.")

    def test_a_training_step_changes_nothing_that_is_frozen(self) -> None:
        """The lowest stage does not learn here, nor do weights that were made with trainable=False."""
        trained = self._trained()
        from headstart.testing.backbones.findings import statistics

        self._require(
            trained.finite,
            f"after one step the loss is {trained.loss}, or a gradient is not finite",
            "Look for divisions by zero, roots at zero and exponentials that overflow.",
        )
        moved = sorted(trained.changed() - trained.learning - statistics(trained.before))
        self._require(
            not moved,
            f"an update of the upper stages changed weights that do not learn: {', '.join(moved[:6])}",
            "A layer changes its own weights when it is called; leave that to the optimizer.",
        )

    def test_a_training_step_leaves_statistics_of_normalisation_fixed(self) -> None:
        """A backbone always runs in inference mode: moving means and variances stay those of its source."""
        trained = self._trained()
        from headstart.testing.backbones.findings import statistics

        fixed = statistics(trained.before)
        if not fixed:
            raise SkipTest(f"{self.name} has no moving statistics")
        moved = sorted(trained.changed() & fixed)
        self._require(
            not moved,
            f"a training step moved the statistics {', '.join(moved[:6])}",
            "Update them only where a layer is called with training=True.",
        )

    def test_a_training_step_changes_every_weight_that_learns(self) -> None:
        """At least one number of each; see `without_gradient` for those that are meant to stay."""
        trained = self._trained()
        still = sorted(trained.learning - trained.changed() - set(self.without_gradient))
        self._require(
            not still,
            f"an update leaves these weights exactly as they were: {', '.join(still[:6])}",
            "No gradient reaches them: look for stop_gradient, rounding, or a branch that nothing uses; where that is "
            f"meant, name them in `without_gradient` of {type(self).__name__}.",
        )

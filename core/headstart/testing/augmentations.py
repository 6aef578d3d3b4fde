"""The contract of augmentations, in levels: declared, drawn."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any, cast

from headstart.errors import HeadstartError, PluginError
from headstart.host.guard import describe
from headstart.specs import (
    Augmentation,
    AugmentationRequest,
    Change,
    Drawn,
    InputKind,
    InputSpec,
    JudgesChanges,
    Mix,
    MixesSamples,
)
from headstart.testing.contract import shared
from headstart.testing.declared import Declared
from headstart.testing.fresh_process import run_fresh
from headstart.testing.input_kinds import WithInputKind, make_up
from headstart.testing.values import form_problem, mixed_problem

Draw = tuple[int, int, str]
"""Seed, epoch, key."""


class AugmentationDeclared(Declared):
    """The spec of an augmentation is complete."""

    _kind = "augmentations"

    def test_an_input_kind_is_installed_that_applies_what_it_draws(self) -> None:
        """`changes` of the kind have every name in `draws`."""
        kinds = self.registry.specs("inputs")
        known = "; ".join(f"{kind.name} applies {', '.join(kind.changes) or 'none'}" for kind in kinds)
        self._require(
            any(self.spec.draws <= kind.changes.keys() for kind in kinds),
            f"draws is {sorted(self.spec.draws)}, and no installed input kind applies all of that",
            f"Name changes of one kind: {known}.",
        )

    def test_where_it_wants_to_be_the_default_nothing_else_does(self) -> None:
        """`--augment auto` means one augmentation for a medium, which an installed input kind must read."""
        medium = self.spec.default_for
        if medium is None:
            return
        readers = [kind for kind in self.registry.specs("inputs") if medium in kind.reads]
        self._require(
            any(self.spec.draws <= kind.changes.keys() for kind in readers),
            f"default_for is {medium!r}, and no installed input kind that reads it applies what it draws",
            'Name a medium that such a kind reads, such as "image", or leave it out.',
        )
        marked = [spec.name for spec in self.registry.specs("augmentations") if spec.default_for == medium]
        self._require_none(
            (name for name in marked if name != self.name),
            f"it wants to be the default for {medium} data, and so does {{odd}}",
            "Leave `default_for` out of the spec: users name it with --augment.",
        )

    def test_the_symmetries_that_it_uses_are_named_as_datasets_name_them(self) -> None:
        """A dataset allows `horizontal_flip`; another spelling would never be allowed."""
        self._require_none(
            (name for name in sorted(self.spec.uses) if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)),
            "uses has {odd}",
            "Name symmetries in small letters and underscores, such as horizontal_flip.",
        )


ODD = ("folder/caf\udce9.jpg", "猫/1")
"""Names of files that are not UTF-8, or not ASCII."""
KEYS = (*(f"sample-{number}" for number in range(62)), *ODD)
DRAWS: tuple[Draw, ...] = tuple((seed, epoch, key) for seed in (0, 5) for epoch in (0, 1, 7) for key in KEYS)
PURE = "Make each draw from its arguments alone, as from random.Random(f'{seed} {epoch} {key!a}')."


class AugmentationDrawn(WithInputKind):
    """Draws for 64 samples, and applies what is drawn to made-up ones by the input kind.

    `varies` is False for an augmentation that leaves every sample as it is, on purpose. `input_kind` names the kind;
    None is the first by name of those that apply what it draws.
    """

    varies: bool = True
    input_kind: str | None = None

    _kind = "augmentations"

    def test_it_draws_what_its_input_kind_applies_with_and_without_symmetries(self) -> None:
        """Changes that the spec names, with values that the kind takes; shares from 0 to 1."""
        self._require_sound("", self._problem(), "Any seed, epoch and key must give a headstart.specs.Drawn.")

    def test_its_draws_differ_between_samples_epochs_and_seeds(self) -> None:
        """Unless `varies` is False: then nothing is ever drawn."""
        augmentation = self._sound(allowed=True)
        first, *others = (
            plain_draws(augmentation, [(seed, epoch, key) for key in KEYS]) for seed, epoch in ((0, 0), (0, 1), (1, 0))
        )
        if not self.varies:
            same = all(augmentation.draw(*draw) == Drawn() for draw in DRAWS)
            self._require(same, "`varies` is False, but it draws something", "Remove `varies = False`.")
            return
        hint = f"where that is meant, set `varies = False` in {self._title}."
        self._require(
            any(drawn != first[0] for drawn in first[1:]),
            "it draws the same for each of 64 samples",
            f"Draw from the key as well; {hint}",
        )
        for other, what in zip(others, ("epoch", "seed"), strict=True):
            self._require(
                other != first, f"64 samples are varied the same for another {what}", f"Draw from the {what}; {hint}"
            )

    def test_its_draws_repeat_in_any_order(self) -> None:
        """Training may be resumed in the middle, and its batches cut otherwise."""
        augmentation = self._sound(allowed=True)
        first = plain_draws(augmentation, DRAWS)
        again = plain_draws(augmentation, DRAWS[::-1])[::-1]
        self._require(first == again, "drawn again, in another order, some draws differ", PURE)
        anew = plain_draws(self._sound(allowed=True), DRAWS)
        self._require(first == anew, "another instance draws otherwise", PURE)

    def test_its_draws_repeat_in_another_process(self) -> None:
        """Where texts hash to other numbers: Python's own hash differs from process to process."""
        here = plain_draws(self._sound(allowed=True), DRAWS)
        fresh = run_fresh(_draw_again, self._named(), environment={"PYTHONHASHSEED": "4711"})
        self._require(fresh.reply is not None, f"drawing in another process fails: {fresh.error}", PURE)
        self._require(fresh.reply == here, "another process draws otherwise", PURE + " Not from hash().")

    def test_it_neither_reads_nor_moves_the_random_state_of_the_process(self) -> None:
        """`random` and `numpy.random` belong to whoever seeded them."""
        import numpy as np

        augmentation = self._sound(allowed=True)
        kept, kept_numpy = random.getstate(), np.random.get_state()
        try:
            drawn = []
            for seed in (1, 2):
                random.seed(seed)
                np.random.seed(seed)  # the global state is what this is about
                before, before_numpy = random.getstate(), np.random.get_state()
                drawn.append(plain_draws(augmentation, DRAWS))
                moved = random.getstate() != before or str(np.random.get_state()) != str(before_numpy)
                self._require(not moved, "drawing moves the global random state", PURE)
            self._require(drawn[0] == drawn[1], "draws depend on the global random state", PURE)
        finally:
            random.setstate(kept)
            np.random.set_state(kept_numpy)

    def test_it_does_nothing_forbidden_where_no_symmetry_is_allowed(self) -> None:
        """A mirrored digit is none, nor is an upside-down one; inverted, a negative looks like a picture."""
        augmentation, kind = self._sound(allowed=False), self._input_kind()
        if not isinstance(kind, JudgesChanges):
            return
        for draw in DRAWS:
            drawn = augmentation.draw(*draw)
            for changes in (drawn.whole, *(step.changes for step in drawn.steps)):
                for symmetry, what in kind.symmetries(changes).items():
                    self._fail(
                        f"with no symmetry allowed, draw{draw} {what}",
                        f'Do so only where "{symmetry}" is in request.symmetries, and name it in `uses` of the spec.',
                    )

    def test_it_mixes_samples_where_its_spec_says_so_and_only_there(self) -> None:
        """Who mixes samples must mix their labels, and learns from the spec that this is due."""
        augmentation = self._sound(allowed=True)
        mixing = [draw for draw in DRAWS if augmentation.draw(*draw).mix is not None]
        if self.spec.mixes:
            self._require(mixing, "`mixes` is True, but no draw mixes", "Leave `mixes` out of the spec.")
            return
        self._require(
            not mixing, f"draw{mixing[:1]} mixes samples, which its spec does not say", "Set `mixes=True` in the spec."
        )

    def test_mixed_samples_are_between_the_two_and_their_labels_too(self) -> None:
        """By the input kind, which must offer that; neither of the two is changed."""
        import numpy as np

        kind, samples, augmentation = self._input_kind(), self._samples(), self._sound(allowed=True)
        kind_name = self._kind_spec().name
        if not self.spec.mixes:
            return
        if not isinstance(kind, MixesSamples):
            self._fail(f"its input kind {kind_name} cannot mix", "Name one that has `mix` and `own_share`.")
        own, partner = ({name: array[row] for name, array in samples.items()} for row in (0, 1))
        before = {name: (own[name].copy(), partner[name].copy()) for name in own}
        for mix in (step for key in KEYS for step in augmentation.draw(0, 1, key).steps):
            share, alone = kind.own_share(mix), kind.own_share(replace(mix, then=None))
            self._require(0 <= share <= 1, f"own_share({mix}) is {share}", f"{kind_name} must give 0 to 1.")
            mixed = kind.mix(own, partner, mix)
            for name, (first, second) in before.items():
                problem = mixed_problem(first, second, np.asarray(mixed[name]), alone)
                self._require_sound(f"{name} of {mix} ", problem, f"Correct `mix` of {kind_name}.")
                kept = np.array_equal(own[name], first) and np.array_equal(partner[name], second)
                self._require(kept, f"mixing changes {name} of a stored sample", "`mix` must return new arrays.")

    def test_varied_samples_keep_shape_type_and_range(self) -> None:
        """What the input kind makes of a draw can stand where the sample stood."""
        import numpy as np

        kind, samples, augmentation = self._input_kind(), self._samples(), self._sound(allowed=True)
        for row, key in enumerate(KEYS[: len(next(iter(samples.values())))]):
            sample = {name: array[row] for name, array in samples.items()}
            drawn = augmentation.draw(0, 1, key)
            varied = kind.transform(sample, drawn.changes)
            only_moved = isinstance(kind, JudgesChanges) and kind.only_moves(drawn.changes)
            for name, array in sample.items():
                self._require_sound(
                    f"applied to a sample, its draw for {key!r} ",
                    _array_problem(array, np.asarray(varied[name]), only_moved=only_moved),
                    "Draw changes that leave most of a sample as it is.",
                )

    def test_what_is_validated_on_is_never_varied(self) -> None:
        """Epochs of varied training samples leave the samples themselves, and those of val, to the bit."""
        import numpy as np

        from headstart.data.views import TrainingSamples, View, varied

        kind, samples = self._input_kind(), self._samples()
        view = View(kind, self._sound(allowed=True), 0, self.spec.mixes)
        if self.spec.mixes and not isinstance(kind, MixesSamples):  # which another test tells
            view = view.unmixed()
        count = len(next(iter(samples.values())))
        before = {name: array.copy() for name, array in samples.items()}
        training = np.arange(0, count, 2)
        for epoch in range(3):
            try:
                given = varied(TrainingSamples(samples, KEYS[:count], training), np.arange(len(training)), view, epoch)
            except PluginError as exc:
                self._fail(f"an epoch of it raises {exc}", "Correct `draw`, or its spec.")
            shared = (name for name, array in given.tensors.items() if np.shares_memory(array, samples[name]))
            self._require_none(shared, "varied samples share memory with {odd}", "Make new arrays.")
        sample = {name: array[1] for name, array in samples.items()}  # a row of val, handed over as it is
        kind.transform(sample, view.augmentation.draw(0, 0, KEYS[1]).changes)
        self._require_none(
            (name for name, array in samples.items() if not np.array_equal(array, before[name], equal_nan=True)),
            "varying samples changes the stored {odd}, which val is read from",
            f"`transform` of the input kind {self._kind_spec().name} must return new arrays.",
        )

    def _built(self, *, allowed: bool) -> Augmentation:
        """With every symmetry that it uses, or with none."""
        request = AugmentationRequest(self._chosen_options(), self.spec.uses if allowed else frozenset())
        built: Augmentation = self._made(request)
        self._require(
            callable(getattr(built, "draw", None)),
            f"its build target returned {type(built).__name__}",
            "Return an object with draw(seed, epoch, key).",
        )
        return built

    def _sound(self, *, allowed: bool) -> Augmentation:
        """The augmentation where each draw is sound; else skips, for one test is about that."""
        self._skip_where(
            self._problem() is not None, f"what {self.name} draws is not sound, see the test of what it draws"
        )
        return self._built(allowed=allowed)

    @shared
    def _problem(self) -> str | None:
        """What is wrong with the first draw that is not sound; None where all are."""
        kind: InputKind | None = None
        with suppress(AssertionError):  # tests that need the kind tell that it cannot be built
            kind = self._input_kind()
        sample = {} if kind is None else {name: array[0] for name, array in self._samples().items()}
        for allowed in (False, True):
            augmentation = self._built(allowed=allowed)
            for draw in DRAWS:
                try:
                    drawn = augmentation.draw(*draw)
                except Exception as exc:  # of the author's code
                    return f"draw{draw} raises {describe(exc)}"
                problem = _form_problem(drawn, self.spec.draws)
                if problem is None and kind is not None:
                    problem = _refusal(drawn, kind, sample)
                if problem is not None:
                    return f"draw{draw} gives {drawn}: {problem}"
        return None

    def _kind_spec(self) -> InputSpec:
        """The kind that applies what is drawn. Fails where none is installed."""
        if self.input_kind is not None:
            return cast("InputSpec", self.registry.get("inputs", self.input_kind))
        fitting = [kind for kind in self.registry.specs("inputs") if self.spec.draws <= kind.changes.keys()]
        self._require(fitting, f"no input kind applies {sorted(self.spec.draws)}", "See level A: AugmentationDeclared.")
        return cast("InputSpec", fitting[0])

    def _samples(self) -> dict[str, Any]:
        return make_up(self._input_kind().tensors, 8)


class AugmentationContract(AugmentationDeclared, AugmentationDrawn):
    """All that an augmentation must do. Set `name`, and `varies = False` for one that changes nothing on purpose."""


def plain_draws(augmentation: Augmentation, draws: Iterable[Draw]) -> list[Any]:
    """What is drawn, one a draw, as JSON has it: floats are kept to the bit."""
    drawn = [asdict(augmentation.draw(*draw)) for draw in draws]
    return cast("list[Any]", json.loads(json.dumps(drawn, default=float)))  # numbers of numpy are numbers


def _draw_again(request: Mapping[str, Any]) -> list[Any]:
    """In a fresh process: what is drawn for `DRAWS`."""
    return plain_draws(AugmentationDrawn._again(request)._built(allowed=True), DRAWS)


def _form_problem(drawn: Any, declared: Collection[str]) -> str | None:
    """Why what was drawn has no sound form, `declared` being the changes that its spec names; None where it has."""
    if not isinstance(drawn, Drawn):
        return "that is no Drawn"
    if not isinstance(drawn.changes, tuple) or not all(isinstance(each, Change) for each in drawn.changes):
        return "`changes` is no tuple of Change"
    if other := [change.name for change in drawn.changes if change.name not in declared]:
        return f"{other[0]!r} is not among the `draws` of its spec, {sorted(declared)}"
    mix: Any = drawn.mix
    while mix is not None:
        if not isinstance(mix, Mix):
            return "`mix` is no Mix"
        are_numbers = isinstance(mix.partner, float | int) and isinstance(mix.share, float | int)
        if not are_numbers or not (0 <= mix.partner < 1 and 0 <= mix.share <= 1):
            return f"it mixes with partner {mix.partner} and share {mix.share}; expected [0, 1) and [0, 1]"
        if other := [change.name for change in (*mix.own, *mix.changes) if change.name not in declared]:
            return f"{other[0]!r} of a mix is not among the `draws` of its spec, {sorted(declared)}"
        mix = mix.then
    return None


def _refusal(drawn: Drawn, kind: InputKind, sample: Mapping[str, Any]) -> str | None:
    """What the input kind says where it cannot apply a draw to a sample; None where it can."""
    try:
        for changes in (drawn.whole, *(step.changes for step in drawn.steps)):
            kind.transform({name: array.copy() for name, array in sample.items()}, changes)
        if isinstance(kind, MixesSamples):
            for step in drawn.steps:
                kind.own_share(step)
    except HeadstartError as exc:
        return exc.message
    except Exception as exc:  # of the kind's author, or of a value that it does not expect
        return f"applying it raises {describe(exc)}"
    return None


def _array_problem(before: Any, after: Any, *, only_moved: bool) -> str | None:
    """How an array that was varied differs from the sample's in kind.

    Range: what is only moved and interpolated lies between what was there; whole numbers may be rounded by one. What
    changes values may leave it, and whatever else is in range of the type.
    """
    import numpy as np

    if problem := form_problem(before, after):
        return problem
    if before.dtype.kind == "f" and not np.isfinite(after).all():
        return "has values that are not finite"
    slack = 1.0 if before.dtype.kind in "iub" else 1e-3 * float(before.max() - before.min())
    low, high = float(after.min()), float(after.max())
    if only_moved and not (float(before.min()) - slack <= low and high <= float(before.max()) + slack):
        return f"has values from {low:g} to {high:g}, where the sample has {before.min():g} to {before.max():g}"
    return "leaves nothing of it: every value is the same" if _is_plain(after) and not _is_plain(before) else None


def _is_plain(array: Any) -> bool:
    """Whether nothing is to be seen: one value, or one for each of the last axis, as a picture of one colour has."""
    first = array.reshape(-1, array.shape[-1])[0] if array.ndim > 1 else array[0]
    return bool((array == first).all())

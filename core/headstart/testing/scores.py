"""The contract of transfer scores, in two levels: declared, measured. Neither needs a backend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from headstart.errors import DataError
from headstart.specs import Observed, Score, Scored, ScoreRequest
from headstart.testing.contract import Contract, shared
from headstart.testing.declared import Declared, declare
from headstart.testing.fresh_process import run_fresh

if TYPE_CHECKING:
    import numpy as np

RECORDS, CHANNELS, CLASSES, RESAMPLES = 120, 16, 4, 12
CHANGE = "Give a finite number, or raise DataError with the reason in a few words."


class ScoreDeclared(Declared):
    """The spec of a score is complete."""

    _kind = "scores"

    def test_its_build_module_imports_no_framework(self) -> None:
        """Features are arrays: a score runs where no backend is installed; numpy and scipy are welcome."""
        fresh = run_fresh(declare, {"target": self.spec.build})
        loaded = {} if fresh.reply is None else fresh.reply["loaded"]
        self._require_none(
            (f"{name} by {line}" for name, line in loaded.items() if name != "numpy"),
            f"{self.spec.build} imports {{odd}}",
            "Compute with numpy, which features come in.",
        )


class ScoreMeasured(Contract):
    """What a score gives: numbers, always the same ones, higher for better features.

    `targets_in(form)` gives targets (record, ...) of a form that is none of "classes" and "numbers", for RECORDS
    records whose class is their place modulo 4."""

    _kind = "scores"

    def targets_in(self, form: str) -> np.ndarray:
        """Targets of a form of the author's own, as `Observed.targets` holds them."""
        raise NotImplementedError

    def test_it_scores_every_form_that_it_reads(self) -> None:
        """A finite value, and one for each resample, which are not all the same."""
        for form in self.spec.reads:
            seen = self._observed(form)
            found = self._measure(seen)
            self._require(
                found.resampled.shape == (RESAMPLES,),
                f"of {form} `resampled` has the shape {found.resampled.shape}, expected {(RESAMPLES,)}",
                "Give one number for each row of `Observed.weights`.",
            )
            self._require(
                float(found.resampled.std()) > 0.0,
                f"of {form} all resamples give {found.resampled[0]:.6g}",
                "Weigh the records by each row of `Observed.weights`.",
            )

    def test_better_features_score_higher(self) -> None:
        """Features in which classes lie apart are worth more than noise, whatever their number."""
        for form in self.spec.reads:
            good, bad = (self._measure(self._observed(form, apart=apart)).value for apart in (3.0, 0.0))
            self._require(
                good > bad,
                f"of {form} it gives {good:.6g} where targets can be told from the features, and {bad:.6g} for noise",
                "Let higher be better, in `value`.",
            )

    def test_it_gives_the_same_bits_twice(self) -> None:
        """So that two people who rank the same sources agree."""
        one, two = (self._measure(self._observed(self.spec.reads[0])) for _ in range(2))
        self._require(
            one.value == two.value and one.resampled.tobytes() == two.resampled.tobytes(),
            f"the same features give {one.value!r} and {two.value!r}, or other resamples",
            "Draw nothing, or from a fixed seed.",
        )

    def test_it_stays_within_its_bounds(self) -> None:
        """`low` and `high` end intervals."""
        for name, values in self._hard().items():
            found = self._tried(values)
            if found is None:
                continue
            beyond = (self.spec.low is not None and found.value < self.spec.low - 1e-9) or (
                self.spec.high is not None and found.value > self.spec.high + 1e-9
            )
            self._require(
                not beyond,
                f"for {name} it gives {found.value:.6g}, beyond {self.spec.low} to {self.spec.high}",
                "Correct the bounds in its spec.",
            )

    def test_hard_data_gives_a_number_or_a_refusal(self) -> None:
        """Classes of two records or one, features that are all alike, zero, or twice the same, more channels than
        records: never NaN, and no error of numpy's."""
        for name, values in self._hard().items():
            found = self._tried(values, name)
            if found is not None:
                self._require_finite(found, f"for {name}")

    def test_it_leaves_what_it_is_given_as_it_is(self) -> None:
        """Features are mapped read-only, and other scores see them too."""
        import numpy as np

        seen = self._observed(self.spec.reads[0])
        kept = {name: np.array(array) for name, array in _arrays(seen).items()}
        self._measure(seen)
        odd = (name for name, array in _arrays(seen).items() if not np.array_equal(array, kept[name]))
        self._require_none(odd, "it changes {odd} in place", "Work on a copy.")

    @shared
    def _score(self) -> Score:
        return cast("Score", self._made(ScoreRequest(self._chosen_options())))

    def _measure(self, observed: Observed) -> Scored:
        with self._raising("measuring plain features", "Correct `measure`."):
            found: Scored = self._score().measure(observed)
        self._require_finite(found, "for plain features")
        return found

    def _require_finite(self, found: Any, where: str) -> None:
        import numpy as np

        self._require(
            isinstance(found, Scored) and isinstance(found.value, float),
            f"{where} it gives {type(found).__name__}, expected Scored(value: float, resampled)",
            CHANGE,
        )
        sound = np.isfinite(found.value) and np.isfinite(found.resampled).all()
        self._require(sound, f"{where} it gives {found.value} and resamples {found.resampled}", CHANGE)
        blind = found.baseline
        self._require(
            blind is None or (np.isfinite(blind.value) and bool(blind.says.strip())),
            f"{where} its baseline is {blind}",
            'Give a finite number and what is answered, such as "always the mean", or None.',
        )

    def _tried(self, observed: Observed, name: str | None = None) -> Scored | None:
        """What it gives, None where it refuses; other errors count where `name` says what is tried."""
        import numpy as np

        try:
            with np.errstate(all="ignore"):
                return self._score().measure(observed)
        except DataError:
            return None
        except Exception as exc:
            if name is not None:
                self._fail(f"for {name} it raises {type(exc).__name__}: {exc}", CHANGE)
            return None

    def _observed(self, form: str, *, apart: float = 1.0, records: int = RECORDS, channels: int = CHANNELS) -> Observed:
        """Features of records whose class is their place modulo 4, so far `apart`."""
        import numpy as np

        random = np.random.default_rng(0)
        classes = np.arange(records) % CLASSES
        centres = random.normal(size=(CLASSES, channels))
        features = random.normal(size=(records, channels)) + apart * centres[classes] + 1.0
        return self._with(features, form, classes, sure=apart / 4.0)

    def _with(self, features: np.ndarray, form: str, classes: np.ndarray, *, sure: float = 0.25) -> Observed:
        """With targets in this form, and the answers of a source's head that knows the classes so well."""
        import numpy as np

        records, random = len(features), np.random.default_rng(1)
        weights = random.exponential(size=(RESAMPLES, records))
        answers = random.random((records, CLASSES)) + sure * np.eye(CLASSES)[classes]
        forms = {"classes": classes, "numbers": np.stack([classes, classes % 2], axis=1).astype(np.float64)}
        return Observed(
            features=features.astype(np.float32),
            form=form,
            targets=forms[form] if form in forms else self.targets_in(form),
            groups=np.arange(records),
            weights=weights * (records / weights.sum(axis=1, keepdims=True)),
            answers=answers / answers.sum(axis=1, keepdims=True) if self.spec.asks_head else None,
        )

    @shared
    def _hard(self) -> Mapping[str, Observed]:
        return dict(self._hard_cases())

    def _hard_cases(self) -> Iterator[tuple[str, Observed]]:
        import numpy as np

        form = self.spec.reads[0]
        if form not in ("classes", "numbers"):
            return
        plain = self._observed(form)
        classes = np.arange(RECORDS) % CLASSES
        few = np.where(np.arange(RECORDS) < 2, 3, classes % 3)
        one = np.where(np.arange(RECORDS) < 1, 3, classes % 3)
        yield "a class of two records", self._with(plain.features, form, few)
        yield "a class of one record", self._with(plain.features, form, one)
        yield "features that are all alike", self._with(np.full_like(plain.features, 0.3), form, classes)
        yield "features that are all zero", self._with(np.zeros_like(plain.features), form, classes)
        yield "channels twice the same", self._with(np.repeat(plain.features, 2, axis=1), form, classes)
        yield "more channels than records", self._observed(form, channels=3 * RECORDS)
        yield "as many channels as records", self._observed(form, channels=RECORDS)
        yield "one channel", self._with(plain.features[:, :1], form, classes)
        yield "records twice the same", self._with(np.repeat(plain.features[::2], 2, axis=0), form, classes)
        yield "tiny features", self._with(plain.features * 1e-12, form, classes)
        yield "large features", self._with(plain.features * 1e12, form, classes)


def _arrays(observed: Observed) -> dict[str, np.ndarray]:
    named = {name: getattr(observed, name) for name in ("features", "targets", "groups", "weights", "answers")}
    return {name: array for name, array in named.items() if array is not None}


class ScoreContract(ScoreDeclared, ScoreMeasured):
    """Everything that can be asked of a transfer score."""

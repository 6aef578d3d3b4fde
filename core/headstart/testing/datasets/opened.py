"""Level B of datasets: records that can be trusted, the same each time, and nothing of the user's touched."""

from __future__ import annotations

from unittest import SkipTest

from headstart.testing.datasets.opening import digest
from headstart.testing.datasets.source import DatasetSource
from headstart.testing.fresh_process import run_fresh
from headstart.testing.trees import changes, own_place, tree_of

ORDER = "Sort what you list: folders, sets and dicts come in another order elsewhere."
WRITES = "Read only; what must be kept for later belongs below a cache folder, such as platformdirs gives."


class DatasetOpened(DatasetSource):
    """Opens the sample of `reference`, or the dataset itself; needs no backend."""

    def test_its_records_are_sound(self) -> None:
        """Keys, payloads, labels, groups and splits are of the types that `headstart.specs.Record` names."""
        records = self._opened().records
        from headstart.testing.datasets.findings import record_problems

        for problem in record_problems(records):
            self._fail(problem, "Correct the records that the build target gives.")
        self._require(
            self.spec.medium in (None, records.medium),
            f"the medium of its records is {records.medium!r}, its spec says {self.spec.medium!r}",
            "Name the same in both.",
        )

    def test_its_targets_can_be_learned(self) -> None:
        """The kind of its targets finds no error in them: one class teaches nothing, look-alikes are told apart by
        nobody."""
        records = self._records()
        from headstart.testing.datasets.findings import target_problems

        for problem in target_problems(records, self._target_kind()):
            self._fail(problem.message, problem.hint or "Correct the targets, or give the sample more of them.")

    def test_its_payloads_can_be_read(self) -> None:
        """The input kind reads the first 50 and one of every stratum, and prepares them to its tensors."""
        records = self._records()
        from headstart.testing.datasets.findings import chosen, reading_problem

        kind = self._input_kind()
        for item in chosen(records, self._target_kind()):
            problem = reading_problem(item, kind)
            self._require(
                problem is None,
                f"{problem}",
                "Give payloads that an input kind of this medium reads, or leave them out.",
            )

    def test_opened_twice_it_gives_the_same_records_in_the_same_order(self) -> None:
        """In this process, and in one where sets and dicts of texts have another order."""
        records = self._records()
        from headstart.testing.datasets.findings import first_difference, summary

        odd = first_difference(records, self._open().records)
        self._require(odd is None, f"opened twice it gives {odd}", ORDER)
        request = {"name": self.name, "options": dict(self.options), "reference": self._sample().reference}
        with own_place() as place:
            seeded = {"PYTHONHASHSEED": "4711"}
            fresh = run_fresh("headstart.testing.datasets.opening", request, folder=place, environment=seeded)
        if fresh.reply is None:
            self._fail(f"opening it in another process fails: {fresh.error}", "It must depend on nothing but its path.")
        same = fresh.reply["digest"] == digest(summary(records))
        self._require(same, "another process finds other records, or another order", ORDER)

    def test_its_own_splits_are_disjoint(self) -> None:
        """Where it fixes train, val or test: no content and no group is on two sides."""
        records = self._records()
        from headstart.testing.datasets.findings import given_split_problem

        problem = given_split_problem(records)
        self._require(problem is None, f"{problem}", "Take the repeated ones out of one side.")

    def test_headstart_can_split_it(self) -> None:
        """Into sides that are disjoint and cover every labelled record."""
        records = self._records()
        from headstart.testing.datasets.findings import given_split_problem, own_split_problem

        if given_split_problem(records) is not None:
            raise SkipTest(f"the splits that {self.name} fixes share records, see the test of its own splits")
        problem = own_split_problem(records, self._target_kind())
        self._require(problem is None, f"it cannot be split: {problem}", "A class needs at least three samples.")

    def test_a_reference_that_leads_nowhere_is_refused(self) -> None:
        """UsageError, before any data is read: the user mistyped a path, or gave one where none is taken."""
        self._sample()
        with own_place() as place:
            absent = str(place / "not-there")
            change = f"Raise headstart.errors.UsageError that names {absent!r} and says what to write instead."
            with self._refused(f"the absent path {absent}", change):
                self._call(absent)

    def test_opening_it_changes_nothing_on_disk(self) -> None:
        """Not in the data, and not in the working directory. Users' files are theirs."""
        records = self._records()
        from headstart.testing.datasets.findings import chosen, reading_problem

        left = self._opened().left
        self._require(not left, f"opening it writes into the working directory: {', '.join(left[:6])}", WRITES)
        for item in chosen(records, self._target_kind()):
            reading_problem(item, self._input_kind())
        odd = changes(self._sample().files, tree_of(self._folder()))
        self._require(not odd, f"opening it changes the data: {', '.join(odd[:6])}", WRITES)

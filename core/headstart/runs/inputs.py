"""What is named to be answered: files, folders, tables, texts, and the lines of a text file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headstart.asking import Asked
from headstart.data.checks import raise_errors, skipped_findings
from headstart.errors import DataError, HeadstartError, UsageError
from headstart.host.registry import looks_like_path
from headstart.lists import below
from headstart.runs.run_data import RunData
from headstart.specs import Finding

TEXT = "text"
"""The medium of payloads that a command line can hold."""


@dataclass(frozen=True)
class Inputs:
    """Finds the payloads of inputs of a finished run, by what they are `asked` with; `on_finding` hears of tables and
    archives among them. What the records of these are called in their own format is in `ids`, by name, and the numbers
    of their labels in `label_ids`, once they were found."""

    data: RunData
    asked: Asked
    on_finding: Callable[[Finding], None] | None
    ids: dict[str, int | str] = field(default_factory=dict)
    label_ids: dict[str, int] = field(default_factory=dict)

    def named(self, inputs: Sequence[Any], texts: Sequence[str]) -> list[tuple[str, Any]]:
        """The name and the payload of each; in place of the payload of what is not there, or of a folder with nothing
        to be answered, the error. Raises UsageError where none is there, for texts that the run does not read, and for
        lines of what it takes for no text; DataError for a table or archive that cannot be used."""
        self._verify_texts(texts)
        expand = self._lines if self.asked.options.lines else self._expand
        found = [pair for each in inputs for pair in expand(each)]
        found += [(text, text) for text in texts]
        errors = [payload for _, payload in found if isinstance(payload, HeadstartError)]
        if errors and len(errors) == len(found):
            if len(errors) == 1 or not all(isinstance(each, UsageError) for each in errors):
                raise errors[0]
            raise UsageError(f"none of {len(errors)} inputs is there:{below([each.message for each in errors])}")
        return [
            (str(raw) if isinstance(raw, str | Path) else f"{type(raw).__name__} {number}", payload)
            for number, (raw, payload) in enumerate(found)
        ]

    def look_up_ids(self, inputs: Sequence[Any], named: Sequence[tuple[str, Any]]) -> None:
        """Also take the `ids` of files in folders among `inputs` that the run's dataset opens: what it says of a folder
        is no condition for files in it to be answered, and where it cannot be opened there are none."""
        for raw in inputs:
            if not (isinstance(raw, str | Path) and looks_like_path(str(raw)) and Path(raw).expanduser().is_dir()):
                continue
            try:
                records = self.data.records_of(Path(raw).expanduser().absolute(), self.asked.data)
            except HeadstartError:
                continue
            if records is None:
                continue
            known = {record.payload: record.id for record in records.items if record.id is not None}
            files = {name: Path(payload).absolute() for name, payload in named if isinstance(payload, str | Path)}
            self.ids.update({name: known[file] for name, file in files.items() if file in known})
            self.label_ids.update(records.label_ids)

    def _verify_texts(self, texts: Sequence[str]) -> None:
        kinds = self.data.artefact.blueprint.input.reads
        if TEXT in kinds:
            return
        reads = ", ".join(kinds)
        if texts:
            raise UsageError(
                f"this run answers {reads} data, not texts", hint="leave out --text; name files or folders"
            )
        if self.asked.options.lines:
            raise UsageError(
                f"predict.lines: this run answers {reads} data, and lines are texts", hint="leave predict.lines out"
            )

    def _expand(self, raw: Any) -> list[tuple[Any, Any]]:
        """The payloads that a raw input means, each with its name: what a dataset opens of a file; what the input kind
        finds, itself or in a folder; what a dataset opens of a folder in which it finds nothing."""
        if not isinstance(raw, str | Path):
            return [(raw, raw)]
        path = Path(raw).expanduser().absolute() if looks_like_path(str(raw)) else None
        records = self.data.records_of(path, self.asked.data) if path and path.is_file() else None
        if records is None:
            try:
                found = self.data.artefact.kind.find(raw)
            except UsageError as exc:
                return [(raw, exc)]
            if found:
                return [(payload, payload) for payload in found]
            try:
                records = self.data.records_of(path, self.asked.data) if path and path.is_dir() else None
            except DataError as exc:
                return [(raw, exc)]
        if records is None:
            return [(raw, DataError(f"{raw} holds nothing that this run's input kind reads"))]
        raise_errors(records.findings)
        if self.on_finding is not None:
            for finding in (*records.findings, *skipped_findings(records.skipped)):
                self.on_finding(finding)
        self.ids.update({record.key: record.id for record in records.items if record.id is not None})
        self.label_ids.update(records.label_ids)
        return [(record.key, record.payload) for record in records.items]

    def _lines(self, raw: Any) -> list[tuple[Any, Any]]:
        """The lines of a text file, or of each in a folder, each an input by itself; all else as `_expand` does."""
        path = Path(raw).expanduser() if isinstance(raw, str | Path) and looks_like_path(str(raw)) else None
        if path is not None and path.is_dir() and (found := self.data.artefact.kind.find(path)):
            return [pair for each in found for pair in self._lines(each)]
        if path is None or not path.is_file():
            return self._expand(raw)
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            return [(raw, DataError(f"{path} is no UTF-8: {exc.reason} at byte {exc.start}", hint="save it as UTF-8"))]
        except OSError as exc:
            return [(raw, DataError(f"{path} cannot be read: {exc.strerror or exc}"))]
        lines = [line.removesuffix("\r") for line in text.split("\n")]
        return [(line, line) for line in lines if line.strip()] or [(raw, DataError(f"{path} has no line with text"))]

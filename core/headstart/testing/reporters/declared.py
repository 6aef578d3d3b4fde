"""Level A of reporters."""

from __future__ import annotations

from pathlib import PurePosixPath

from headstart.testing.declared import Declared


class ReporterDeclared(Declared):
    """The spec of a reporter is complete."""

    _kind = "reporters"

    def test_what_it_writes_lies_in_the_report_folder(self) -> None:
        """`writes` names files relative to the run's folder, below report/."""
        for path in self.spec.writes:
            parts = PurePosixPath(path).parts
            self._require(
                parts[:1] == ("report",) and len(parts) > 1 and ".." not in parts and "\\" not in path,
                f"writes names {path!r}",
                "Name each file below report/, as in report/table.csv; a * stands for what differs from run to run.",
            )

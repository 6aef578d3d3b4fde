"""R3 on a disk that is full indeed: a small file system in memory, where this user may mount one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from headstart.errors import HeadstartError
from rig.figures import Figure, figure
from rig.saving import prepared, problem_of, save

KILOBYTES = 80
"""Room for the checkpoints that `prepared` makes, and for two more at most."""


def full_disk(scratch: Path) -> list[Figure]:
    """Fill it page by page, and save at each filling; no figure where nothing may be mounted."""
    place = scratch / "disk"
    place.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", f"size={KILOBYTES}k", "headstart", str(place)]
    if subprocess.run(mounted, capture_output=True, check=False).returncode != 0:
        return []
    try:
        return [figure("R3", f"a disk of {KILOBYTES} KiB, filled by 4 KiB after 4 KiB", _filled(place))]
    finally:
        subprocess.run(["umount", str(place)], check=True)


def _filled(place: Path) -> Iterator[str | None]:
    checkpoints = prepared(place / "checkpoints")
    refused = False
    while not refused:
        step = (checkpoints.last_step or 0) + 1
        _fill(place)
        try:
            save(checkpoints, step)
        except HeadstartError as exc:
            refused = True
            said = "No space left" in exc.message and f"step.{step}" in exc.message
            left = [path.name for path in checkpoints.folder.iterdir() if path.name.startswith(".")]
            (place / "filling").unlink()
            problem = problem_of(checkpoints.folder, done=step - 1)
            yield problem if said and not left else f"it said {exc.message} and left {left}"
        else:
            yield None


def _fill(place: Path) -> None:
    try:
        with (place / "filling").open("ab") as file:
            file.write(bytes(4096))
    except OSError:
        return

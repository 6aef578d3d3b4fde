"""Kinds of targets that are text: one class, several labels, a number, or any text."""

from __future__ import annotations

from collections.abc import Iterable

from headstart.hookspecs import hookimpl
from headstart.specs import TargetSpec


@hookimpl
def register_targets() -> Iterable[TargetSpec]:
    """Offer class, labels, number and text."""
    return [
        TargetSpec(
            name="targets/class",
            summary="The name of one class a sample.",
            build="headstart_plugins.targets._build:ClassTargets",
            means="one class",
            read_as=("targets/labels", "targets/number"),
        ),
        TargetSpec(
            name="targets/labels",
            summary="Any number of labels a sample, joined by |.",
            build="headstart_plugins.targets._build:LabelsTargets",
            means="several labels",
        ),
        TargetSpec(
            name="targets/number",
            summary='One finite number a sample, written as "-3.5" or "1e3".',
            build="headstart_plugins.targets._build:NumberTargets",
            means="a number",
            read_as=("targets/class", "targets/labels"),
        ),
        TargetSpec(
            name="targets/text",
            summary="Any text a sample, kept to the letter: a translation, or what is said in a sound.",
            build="headstart_plugins.targets._text:FreeTextTargets",
            means="a text",
        ),
    ]

"""Build the reporters of a run, and draw them again from its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import PluginError
from headstart.eventlog import EVENTS, close_all, read_events, tell
from headstart.recipe import DEFAULT
from headstart.specs import InputKind, Preview, Reporter, ReporterRequest, ReporterSpec

if TYPE_CHECKING:
    from headstart.recipes.resolve import ResolvedRecipe
    from headstart.registry import Registry

Samples = tuple[Mapping[str, Any], InputKind]


def open_reporters(
    specs: Sequence[ReporterSpec], resolved: ResolvedRecipe, registry: Registry, *, interactive: bool, live: bool
) -> list[tuple[str, Reporter]]:
    """A reporter for each spec, with its name and the options that the recipe gives it.

    Raises PluginError where one fails.
    """
    opened: list[tuple[str, Reporter]] = []
    for spec in specs:
        options = resolved.options_of("reporter", spec)
        request = ReporterRequest(options=options, interactive=interactive, live=live)
        opened.append((spec.short_name, registry.load_target(spec, spec.build)(request)))
    return opened


def open_live(
    resolved: ResolvedRecipe, registry: Registry, *, interactive: bool, resumed: bool
) -> tuple[list[tuple[str, Reporter]], list[str]]:
    """The reporters of a run, and a message for each that failed though nobody had asked for it: those are left out.

    Raises PluginError where one fails that the recipe names. That of a run that is `resumed` names what there was.
    """
    asked = resolved.recipe.origin("reporters") != DEFAULT and not resumed
    opened: list[tuple[str, Reporter]] = []
    failures: list[str] = []
    for spec in resolved.reporters:
        try:
            opened += open_reporters([spec], resolved, registry, interactive=interactive, live=True)
        except PluginError as exc:
            if asked:
                raise
            failures.append(f"{exc.message}; the run goes on without it")
    return opened, failures


@dataclass
class SampleView:
    """What reporters see of a run. `open_samples` gives payloads by key and the input kind, once, when first asked."""

    path: Path
    open_samples: Callable[[], Samples]
    _samples: Samples | None = field(default=None, init=False)

    def preview(self, key: str) -> Preview | None:
        """See `RunView`."""
        if self._samples is None:
            self._samples = self.open_samples()
        payloads, kind = self._samples
        if key not in payloads:
            return None
        return kind.preview(kind.read(payloads[key], key))


def replay(reporters: Sequence[tuple[str, Reporter]], view: SampleView) -> list[str]:
    """Tell every event of a finished run again; returns a message for each reporter that raised."""
    failures: list[str] = []
    still = list(reporters)
    try:
        for event in read_events(view.path / EVENTS):
            still, failed = tell(event, still, view)
            failures += failed
    finally:
        close_all(still)
    return failures

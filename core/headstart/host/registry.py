"""The registry: offers by name or reference, defaults, and build targets that are blamed on their plugins."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar, cast

from headstart.errors import HeadstartError, PluginError, Problem, UsageError
from headstart.host.discovery import PluginInfo
from headstart.host.guard import PluginFailure, guarded
from headstart.host.offers import Offers
from headstart.specs import AnySpec, BackboneSpec, InputSpec, Spec, StrategySpec, TaskSpec

if TYPE_CHECKING:
    from headstart.recipe import Recipe

S = TypeVar("S", bound=AnySpec)


@dataclass(frozen=True)
class Registry(Offers):
    """What is on offer; everything that can be chosen by name or reference is looked up here."""

    def provenance(self, spec: Spec) -> PluginInfo:
        """The plugin that offers `spec`."""
        return next(plugin.info for plugin in self.loaded if plugin.info.name == spec.plugin)

    def builder_of(self, spec: BackboneSpec) -> BackboneSpec:
        """The registered backbone that builds `spec`: itself, but where it came by reference. Raises like `get`."""
        return spec if spec.builder is None else cast("BackboneSpec", self.get("backbones", spec.builder))

    def input_kind(self, *, medium: str | None = None, takes: str | None = None, name: str | None = None) -> InputSpec:
        """The input kind that reads `medium` and produces the tensors that a backbone `takes`; None stands for any.

        With `name` that one, which must do both; else the only one there is, or the one marked native. Raises
        UsageError naming medium, tensors and what is offered.
        """
        told = (f"{each.name} ({', '.join(each.reads)} to {each.produces})" for each in self.specs("inputs"))
        offered = f"offered are {', '.join(told) or 'none'}"
        if name is not None:
            named: InputSpec = self.get("inputs", name)
            if wrong := _unfit(named, medium, takes):
                raise UsageError(f"{named.name} {wrong}", hint=f"leave input.kind out; {offered}")
            return named
        fitting = [spec for spec in self.specs("inputs") if not _unfit(spec, medium, takes)]
        chosen = fitting if len(fitting) == 1 else [spec for spec in fitting if spec.native]
        if len(chosen) == 1:
            return cast("InputSpec", chosen[0])
        asked = " and ".join(
            part
            for part in (medium and f"reads {medium} data", takes and f"makes the tensors {takes!r} of a backbone")
            if part
        )
        if not fitting:
            hint = f"install a plugin that brings one, or choose others; {offered}"
            raise UsageError(f"no installed input kind {asked}", hint=hint)
        names = " and ".join(spec.name for spec in fitting)
        raise UsageError(f"{names}: each {asked}", hint=f"name one with --set input.kind={fitting[0].name}")

    def default_backbone(self, medium: str) -> BackboneSpec:
        """The backbone taken for data of `medium` where the user names none. Raises UsageError, too, where no installed
        input kind reads that medium."""
        marked = [spec for spec in self.specs("backbones") if spec.default_for == medium]
        if not marked and not any(medium in spec.reads for spec in self.specs("inputs")):
            self.input_kind(medium=medium)
        return cast("BackboneSpec", _only(marked, f"backbone for {medium} data", "--backbone"))

    def default_strategy(self) -> StrategySpec:
        """The strategy taken where the user names none. Raises UsageError where no one, or several, are
        marked.
        """
        marked = [spec for spec in self.specs("strategies") if spec.default]
        return cast("StrategySpec", _only(marked, "strategy", "--strategy"))

    def default_task(self, targets: str) -> TaskSpec:
        """The task taken for targets of the kind `targets` where the user names none. Raises UsageError."""
        kind = self.get("targets", targets)
        named = (kind.name, kind.short_name)
        marked = [spec for spec in self.default_tasks() if spec.targets in named]
        return _only(marked, f"task for targets of the kind {kind.short_name!r}", "--task")

    def default_tasks(self) -> tuple[TaskSpec, ...]:
        """The tasks that are taken by what the targets are, where the user names none."""
        return tuple(spec for spec in self.specs("tasks") if spec.default)

    def load_target(self, spec: Spec, target: str) -> Callable[..., Any]:
        """Import what a spec names as `module:function`; this may load keras.

        Raises PluginError naming the plugin and its version where that fails, and so does what it returns; what either
        prints goes to stderr.
        """
        module, _, path = target.partition(":")
        with self._blaming(spec, f"could not load {target}", but=(HeadstartError,)):
            found = attrgetter(path)(importlib.import_module(module))
        if not callable(found):
            raise self.failure(spec, f"{target} is not a function")

        @functools.wraps(found)
        def call(*arguments: Any, **named: Any) -> Any:
            # Our own errors, and those of the system, say what the user can do.
            with self._blaming(spec, f"{target} failed", but=(HeadstartError, OSError, MemoryError)):
                return found(*arguments, **named)

        return call

    @contextmanager
    def _blaming(self, spec: Spec, what: str, but: tuple[type[BaseException], ...]) -> Iterator[None]:
        """What a plugin's code raises becomes a PluginError of the plugin of `spec`; errors of `but` pass."""
        try:
            with guarded():
                yield
        except PluginFailure as exc:
            if isinstance(exc.__cause__, but):
                raise exc.__cause__ from exc.__cause__.__cause__
            raise self.failure(spec, f"{what}: {exc}") from exc.__cause__

    def failure(self, spec: Spec, what: str) -> PluginError:
        """A PluginError for something that the plugin of `spec` did."""
        plugin = self.provenance(spec)
        return PluginError(
            f"{plugin.origin}: {spec.name}: {what}",
            hint="tell its author, or choose another one; --debug shows the whole error",
        )

    def check_recipe(self, recipe: Recipe, used: Container[str]) -> tuple[list[Problem], list[str]]:
        """What the plugins find wrong with a whole recipe, and a message for each check that failed itself.

        A check that fails stops nobody who does not use its plugin. `used` are the plugins that the recipe takes
        something of. Raises PluginError where the check of one fails.
        """
        problems: list[Problem] = []
        failures: list[str] = []
        for plugin in self.loaded:
            try:
                with guarded():
                    found = tuple(plugin.call("check_recipe", recipe=recipe, registry=self) or ())
                    if not all(isinstance(problem, Problem) for problem in found):
                        raise PluginFailure("check_recipe must give Problems")
                problems += found
            except PluginFailure as exc:
                failure = PluginError(
                    f"{plugin.info.origin}: its check of the recipe failed: {exc}",
                    hint=f"leave it out with --disable-plugin {plugin.info.name}",
                )
                if plugin.info.name in used:
                    raise failure from exc.__cause__
                failures.append(failure.message)
        return problems, failures


def _unfit(spec: InputSpec, medium: str | None, takes: str | None) -> str | None:
    """Why an input kind does not fit; None where it does."""
    if medium is not None and medium not in spec.reads:
        return f"reads {', '.join(spec.reads)}; the data is {medium}"
    if takes is not None and takes != spec.produces:
        return f"makes the tensors {spec.produces!r}; the backbone takes {takes!r}"
    return None


def _only(marked: Sequence[S], what: str, flag: str) -> S:
    if len(marked) == 1:
        return marked[0]
    if not marked:
        raise UsageError(f"no plugin offers a default {what}", hint=f"name one with {flag}")
    names = " and ".join(spec.name for spec in marked)
    raise UsageError(f"{names} both want to be the default {what}", hint=f"name one with {flag}")

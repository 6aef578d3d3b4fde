"""Names and references to specs, with provenance. Everything that can be chosen by name is looked up here."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from headstart.errors import HeadstartError, PluginError, Problem, UsageError
from headstart.host.guard import PluginFailure, guarded
from headstart.host.lookup import find_spec
from headstart.host.references import ResolvedDataset, find_backbone, find_dataset
from headstart.host.verification import KINDS
from headstart.plugins import PluginHost, PluginInfo, load_plugins
from headstart.specs import AnySpec, BackboneSpec, InputSpec, Spec, StrategySpec, TaskSpec

if TYPE_CHECKING:
    from headstart.recipe import Recipe

__all__ = ["Registry", "ResolvedDataset", "load_registry"]

S = TypeVar("S", bound=AnySpec)


@dataclass(frozen=True)
class Registry:
    """What is on offer. Kinds are "backbones", "datasets", "inputs", "augmentations", "strategies", "targets",
    "tasks", "reporters", "lowerings" and "engines".
    """

    host: PluginHost

    @property
    def plugins(self) -> tuple[PluginInfo, ...]:
        """Every installed plugin, those that failed or are disabled among them, sorted by name."""
        return self.host.infos

    def specs(self, kind: str) -> tuple[Any, ...]:
        """All offers of a kind, sorted by name. Raises UsageError for an unknown kind."""
        if kind not in KINDS:
            raise UsageError(f"{kind!r} is no kind of offer", hint=f"kinds are {', '.join(KINDS)}")
        offers = (spec for plugin in self.host.loaded for spec in plugin.specs.get(kind, ()))
        return tuple(sorted(offers, key=lambda spec: spec.name))

    def get(self, kind: str, name: str) -> Any:
        """The offer called `name`: full `plugin/name`, or bare where that is unique.

        Raises UsageError for an unknown name (with near misses) or one that several plugins use, PluginError
        where the plugin that it names failed.
        """
        return find_spec(self.specs(kind), self.host, kind, name)

    def provenance(self, spec: Spec) -> PluginInfo:
        """The plugin that offers `spec`."""
        return next(plugin.info for plugin in self.host.loaded if plugin.info.name == spec.plugin)

    def resolve_backbone(self, ref: str) -> BackboneSpec:
        """The backbone that a name, a path or `KIND:REF` means. Raises UsageError or PluginError."""
        return find_backbone(self, ref)

    def builder_of(self, spec: BackboneSpec) -> BackboneSpec:
        """The registered backbone that builds `spec`: itself, but where it came by reference. Raises like `get`."""
        return spec if spec.builder is None else cast("BackboneSpec", self.get("backbones", spec.builder))

    def resolve_dataset(self, ref: str) -> ResolvedDataset:
        """The dataset that a name, a path or `KIND:REF` means. Raises UsageError or PluginError."""
        return find_dataset(self, ref)

    def same(self, kind: str, one: str, other: str) -> bool:
        """Whether two names, full or bare, mean the same offer. Raises like `get`."""
        return bool(self.get(kind, one).name == self.get(kind, other).name)

    def input_of(self, spec: Any) -> InputSpec:
        """The input kind that a backbone, dataset or augmentation names. Raises like `get`."""
        return cast("InputSpec", self.get("inputs", spec.input))

    def default_backbone(self, input: str) -> BackboneSpec:
        """The backbone taken for the input kind `input` where the user names none. Raises UsageError."""
        wanted = self.get("inputs", input)
        marked = [spec for spec in self.specs("backbones") if spec.default_for in (wanted.name, wanted.short_name)]
        return cast("BackboneSpec", _only(marked, f"backbone for {wanted.short_name} data", "--backbone"))

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
        marked = [spec for spec in self.specs("tasks") if spec.default and spec.targets in named]
        return cast("TaskSpec", _only(marked, f"task for targets of the kind {kind.short_name!r}", "--task"))

    def load_target(self, spec: Spec, target: str) -> Callable[..., Any]:
        """Import what a spec names as `module:function`; this may load keras.

        Raises PluginError naming the plugin and its version where that fails, and so does what it returns.
        """
        module, _, path = target.partition(":")
        try:
            with guarded():
                found: Any = importlib.import_module(module)
                for part in path.split("."):
                    found = getattr(found, part)
        except PluginFailure as exc:
            if isinstance(exc.__cause__, HeadstartError):
                raise exc.__cause__ from exc
            raise self.failure(spec, f"could not load {target}: {exc}") from exc.__cause__
        if not callable(found):
            raise self.failure(spec, f"{target} is not a function")
        return self._answerable(spec, target, found)

    def _answerable(self, spec: Spec, target: str, build: Callable[..., Any]) -> Callable[..., Any]:
        """`build`, so that what it prints goes to stderr, and what it raises names its plugin.

        Our own errors, and those of the system, say what the user can do: they pass.
        """

        @functools.wraps(build)
        def call(*arguments: Any, **named: Any) -> Any:
            try:
                with guarded():
                    return build(*arguments, **named)
            except PluginFailure as exc:
                if isinstance(exc.__cause__, HeadstartError | OSError | MemoryError):
                    raise exc.__cause__ from exc.__cause__.__cause__
                raise self.failure(spec, f"{target} failed: {exc}") from exc.__cause__

        return call

    def failure(self, spec: Spec, what: str) -> PluginError:
        """A PluginError for something that the plugin of `spec` did."""
        plugin = self.provenance(spec)
        return PluginError(
            f"{plugin.origin}: {spec.name}: {what}",
            hint="tell its author, or choose another one; --debug shows the whole error",
        )

    def check_recipe(self, recipe: Recipe, used: Container[str]) -> Checked:
        """What the plugins find wrong with a whole recipe. A check that fails stops nobody who does not use its plugin.

        `used` are the plugins that the recipe takes something of. Raises PluginError where the check of one fails.
        """
        problems: list[Problem] = []
        failures: list[str] = []
        for plugin in self.host.loaded:
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
        return Checked(tuple(problems), tuple(failures))


@dataclass(frozen=True)
class Checked:
    """What the checks of plugins found, and a message for each check that failed itself."""

    problems: tuple[Problem, ...]
    failures: tuple[str, ...]


def load_registry(disable: Sequence[str] = (), allow: Sequence[str] | None = None) -> Registry:
    """Load all plugins and say what they offer; see `plugins.load_plugins` for `disable` and `allow`."""
    return Registry(load_plugins(disable=disable, allow=allow))


def _only(marked: Sequence[S], what: str, flag: str) -> S:
    if len(marked) == 1:
        return marked[0]
    if not marked:
        raise UsageError(f"no plugin offers a default {what}", hint=f"name one with {flag}")
    names = " and ".join(spec.name for spec in marked)
    raise UsageError(f"{names} both want to be the default {what}", hint=f"name one with {flag}")

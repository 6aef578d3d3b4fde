"""The registry: what plugins offer, by name, by path or as `KIND:REF`, defaults, and build targets that are blamed on
their plugins.

A reference is a path if it starts with `.`, `/` or `~`, or exists. A registered name that also exists as a
path is an error that shows both spellings, and so are two plugins that would open the same path.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pluggy

from headstart.errors import HeadstartError, PluginError, Problem, UsageError
from headstart.host.discovery import PluginInfo
from headstart.host.guard import PluginFailure, guarded
from headstart.host.verification import KINDS, verify_spec
from headstart.lists import in_line
from headstart.shown import Shown
from headstart.specs import (
    AnySpec,
    AugmentationSpec,
    BackboneSpec,
    DatasetSpec,
    InputSpec,
    Spec,
    StrategySpec,
    TaskSpec,
)
from headstart.suggest import suggestion

if TYPE_CHECKING:
    from headstart.recipe import Recipe

S = TypeVar("S", bound=Spec)


def singular(kind: str) -> str:
    """One offer of a kind: "backbone" for "backbones"."""
    return "strategy" if kind == "strategies" else kind.removesuffix("s")


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin that can be used: its hook implementations by name, and its verified specs by kind."""

    info: PluginInfo
    hooks: Mapping[str, pluggy.HookImpl]
    specs: Mapping[str, tuple[AnySpec, ...]]

    def call(self, hook: str, **arguments: Any) -> Any:
        """Call one of its hooks with those arguments that it asks for; None where it does not implement it.

        Whatever the plugin raises comes out as it is: wrap the call in `guard.guarded`.
        """
        implementation = self.hooks.get(hook)
        if implementation is None:
            return None
        first = implementation.argnames  # which lacks arguments that have a default, or are given by keyword alone
        named = [name for name in inspect.signature(implementation.function).parameters if name not in first]
        return implementation.function(
            *(arguments[name] for name in first), **{name: arguments[name] for name in named if name in arguments}
        )


@dataclass(frozen=True)
class ResolvedDataset:
    """A dataset's spec, and the path or reference that it opens, or None. `str` gives a spelling that means
    it.
    """

    spec: DatasetSpec
    reference: str | None

    def __str__(self) -> str:
        return self.spec.name if self.reference is None else f"{self.spec.name}:{self.reference}"


@dataclass(frozen=True, repr=False)
class Registry(Shown):
    """What is on offer; everything that can be chosen by name or reference is looked up here. Kinds are "backbones",
    "datasets", "inputs", "augmentations", "strategies", "targets", "tasks", "reporters", "lowerings", "engines" and
    "scores".

    `plugins` tells about every plugin that is installed, those that failed or are disabled among them, sorted by name;
    `loaded` are those that can be used, `causes` the exception of each one that failed.
    """

    plugins: tuple[PluginInfo, ...]
    loaded: tuple[LoadedPlugin, ...]
    causes: Mapping[PluginInfo, BaseException] = field(default_factory=dict)

    def facts(self) -> Mapping[str, Any]:
        """See `Shown`."""
        counts = {kind: len(self.specs(kind)) for kind in KINDS}
        return {"plugins": len(self.loaded), "failed": [info.name for info in self.failed]} | counts

    @property
    def failed(self) -> tuple[PluginInfo, ...]:
        """The plugins that were left out because something is wrong with them."""
        return tuple(info for info in self.plugins if info.error is not None)

    def specs(self, kind: str) -> tuple[Any, ...]:
        """All offers of a kind, sorted by name. Raises UsageError for an unknown kind."""
        if kind not in KINDS:
            raise UsageError(f"{kind!r} is no kind of offer", hint=f"kinds are {', '.join(KINDS)}")
        offers = (spec for plugin in self.loaded for spec in plugin.specs.get(kind, ()))
        return tuple(sorted(offers, key=lambda spec: spec.name))

    def get(self, kind: str, name: str) -> Any:
        """The offer called `name`: full `plugin/name`, or bare where that is unique.

        Raises UsageError for an unknown name (with near misses) or one that several plugins use, PluginError
        where the plugin that it names failed.
        """
        specs = self.specs(kind)
        matches = matching(specs, name)
        if len(matches) == 1:
            return matches[0]
        if matches:
            spellings = " and ".join(spec.name for spec in matches)
            raise UsageError(f"{name!r} is ambiguous: {spellings}", hint="write the full name")
        wanted, slash, _ = name.partition("/")
        works = any(plugin.info.name == wanted for plugin in self.loaded)
        for info in self.plugins:
            if info.name == wanted and info.error is not None and not works:
                raise PluginError(
                    f"{name!r} is not available: {info.origin} failed: {info.error}",
                    hint="install what it needs or another version of it; `headstart plugins` lists all failures",
                ) from self.causes.get(info)
            if info.name == wanted and info.disabled and slash:
                raise UsageError(
                    f"no {singular(kind)} is named {name!r}: plugin {wanted!r} is disabled",
                    hint="see --disable-plugin and the variables HEADSTART_DISABLE_PLUGINS and HEADSTART_PLUGINS",
                )
        owned = [spec.name for spec in specs if spec.plugin == name]
        near = suggestion(name, [spec.name for spec in specs])
        hint = f"the plugin {name} offers {in_line(owned)}" if owned else near
        failed = ", ".join(info.name for info in self.failed)
        note = f"these plugins failed and are left out: {failed} (`headstart plugins` says why)" if failed else None
        raise UsageError(
            f"no {singular(kind)} is named {name!r}",
            hint="; ".join(part for part in (hint, note) if part) or None,
        )

    def resolve_backbone(self, ref: str) -> BackboneSpec:
        """The backbone that a name, a path or `KIND:REF` means. Raises UsageError or PluginError."""
        _require_written(ref, "backbone")
        named = matching(self.specs("backbones"), ref)
        if looks_like_path(ref):
            return _opened_backbone(self, self.loaded, ref, _path(ref, named))
        if ":" in ref and not named:
            return _opened_backbone(self, self.loaded, ref, ref)
        plugin, slash, _ = ref.partition("/")
        owners = [each for each in self.loaded if each.info.name == plugin and "resolve_backbone" in each.hooks]
        if slash and owners and not named:  # where a plugin resolves references, `plugin/anything` is its to answer
            return _opened_backbone(self, owners, ref, ref)
        return cast("BackboneSpec", self.get("backbones", ref))

    def resolve_dataset(self, ref: str, targets: str | None = None) -> ResolvedDataset:
        """The dataset that a name, a path or `KIND:REF` means; where a path could be opened for several kinds of
        targets, for the one of the full name `targets`. Raises UsageError or PluginError."""
        _require_written(ref, "dataset")
        named = matching(self.specs("datasets"), ref)
        if looks_like_path(ref):
            return _dataset_at(self, ref, _path(ref, named), targets)
        kind, colon, rest = ref.partition(":")
        if colon and not named:
            spec = self.get("datasets", kind)
            if not spec.opens_paths:
                raise UsageError(f"{spec.name} opens no path, received {rest!r}", hint=f"write {kind}")
            _require_written(rest, f"path after {kind}:")
            return ResolvedDataset(spec, str(Path(rest).expanduser()) if rest.startswith("~") else rest)
        try:
            spec = self.get("datasets", ref)
        except UsageError as exc:
            if named:
                raise
            raise UsageError(f"no such path, and {exc.message}: {ref}", hint=exc.hint) from exc
        if spec.takes_path:
            raise UsageError(f"{spec.name} needs a path", hint=f"write {ref}:PATH")
        if spec.codes:
            raise UsageError(f"{spec.name} needs {spec.codes}, after a colon", hint=f"write {ref}:CODE")
        return ResolvedDataset(spec, None)

    def targets_of(self, task: str | None) -> str | None:
        """The full name of the kind of targets that a task learns; None for no task, and for what is not installed."""
        tasks = [] if task is None else matching(self.specs("tasks"), task)
        kinds = matching(self.specs("targets"), tasks[0].targets) if len(tasks) == 1 else []
        return kinds[0].name if len(kinds) == 1 else None

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

    def input_for(self, backbone: BackboneSpec, *, medium: str | None = None, name: str | None = None) -> InputSpec:
        """The input kind that feeds `backbone`, which `name` names, or else the one that its own samples were read by
        where that reads `medium` too, or else the one there is. Raises as `input_kind` does."""
        own = None if backbone.reading is None else self.get("inputs", backbone.reading.kind)
        if name is None and own is not None and not _unfit(own, medium, backbone.takes):
            return cast("InputSpec", own)
        return self.input_kind(medium=medium, takes=backbone.takes, name=name)

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

    def strategy_from_scratch(self) -> StrategySpec:
        """The strategy taken for random weights where the user names none. Raises UsageError as `default_strategy`."""
        marked = [spec for spec in self.specs("strategies") if spec.default_from_scratch]
        return cast("StrategySpec", _only(marked, "strategy for random weights", "--strategy"))

    def default_augmentation(self, medium: str, kind: InputSpec) -> AugmentationSpec | None:
        """What `--augment auto` means for data of `medium` that `kind` reads; None where nothing is marked that the
        kind applies. Raises UsageError where several are."""
        marked = [spec for spec in self.specs("augmentations") if spec.default_for == medium]
        fitting = [spec for spec in marked if spec.draws <= kind.changes.keys()]
        return _only(fitting, f"augmentation of {medium} data", "--augment") if fitting else None

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


def matching(specs: Sequence[S], name: str) -> list[S]:
    """The specs that `name` could mean: the one of that full name, or all of that bare name."""
    return [spec for spec in specs if name in (spec.name, spec.short_name)]


def looks_like_path(ref: str) -> bool:
    """Whether `ref` is written as a path, or is one."""
    return ref.startswith((".", "/", "~")) or _exists(ref)


def _exists(ref: str) -> bool:
    try:
        return Path(ref).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # a name too long, a NUL, an unknown ~user: no such path
        return False


def _dataset_at(registry: Registry, ref: str, path: str, targets: str | None) -> ResolvedDataset:
    """The dataset that opens `path`, which was written as `ref`, for `targets` where these are known."""
    specs = {spec.name: spec for spec in registry.specs("datasets")}

    def check(_: LoadedPlugin, answer: Any) -> None:
        if not isinstance(answer, str) or answer not in specs:
            near = suggestion(str(answer), specs)
            raise PluginFailure(f"it answered {answer!r}, which is no dataset's full name; {near}")

    answers = _ask(registry.loaded, "resolve_dataset", {"ref": path, "targets": targets}, check)
    names = sorted({answer for _, answer in answers})
    if not names:
        kinds = [spec.name for spec in specs.values() if spec.takes_path]
        hint = f"say what it is, as in KIND:{ref}; kinds that open paths: {', '.join(kinds) or 'none'}"
        raise UsageError(f"no dataset plugin recognises {ref}", hint=hint)
    if len(names) > 1:
        spellings = " or ".join(f"{name}:{ref}" for name in names)
        raise UsageError(f"{' and '.join(names)} would both open {ref}", hint=f"write {spellings}")
    return ResolvedDataset(specs[names[0]], path)


def _opened_backbone(registry: Registry, plugins: Sequence[LoadedPlugin], ref: str, asked: str) -> BackboneSpec:
    """The one backbone that `plugins` make of `asked`, which was written as `ref`."""
    answers = _ask(
        plugins,
        "resolve_backbone",
        {"ref": asked, "registry": registry},
        lambda plugin, answer: verify_spec(answer, "backbones", plugin.info.name),
    )
    if not answers:
        raise UsageError(f"no plugin opens {ref} as a backbone", hint="`headstart backbones` lists what there is")
    if len(answers) > 1:
        names = " and ".join(f"{plugin.info.name} ({answer.name})" for plugin, answer in answers)
        raise UsageError(f"two plugins would open {ref}: {names}", hint="leave one out with --disable-plugin")
    return cast("BackboneSpec", answers[0][1])


def _ask(
    plugins: Sequence[LoadedPlugin],
    hook: str,
    arguments: Mapping[str, Any],
    check: Callable[[LoadedPlugin, Any], None],
) -> list[tuple[LoadedPlugin, Any]]:
    """The answers of `plugins` that are not None; `check` raises PluginFailure for one that is no answer.

    One that fails counts only where nobody answers.
    """
    answers, failures = [], []
    for plugin in plugins:
        try:
            with guarded():
                answer = plugin.call(hook, **arguments)
                if answer is not None:
                    check(plugin, answer)
                    answers.append((plugin, answer))
        except PluginFailure as exc:
            failures.append((plugin, exc))
    if failures and not answers:
        plugin, failure = failures[0]
        if isinstance(failure.__cause__, HeadstartError):
            raise failure.__cause__ from failure
        raise PluginError(f"{plugin.info.origin}: {hook} failed: {failure}") from failure.__cause__
    return answers


def _require_written(ref: str, what: str) -> None:
    if not ref.strip():
        raise UsageError(f"the {what} is empty")


def _path(ref: str, named: Sequence[Spec]) -> str:
    """The path that `ref` is. Raises UsageError where there is none, or where it could mean one of `named` too."""
    if named and not ref.startswith((".", "/", "~")):
        hint = f"write ./{ref} for the path, or {' or '.join(_spelling(spec, ref) for spec in named)} for the name"
        raise UsageError(f"{ref!r} is both a registered name and a path", hint=hint)
    if not _exists(ref):
        raise UsageError(f"no such path: {ref}", hint="check the spelling, or name a dataset or backbone")
    return str(Path(ref).expanduser())


def _spelling(spec: Spec, ref: str) -> str:
    """How `spec` is written where `ref`, its name, is a path as well."""
    if isinstance(spec, DatasetSpec) and spec.takes_path:
        return f"{spec.name}:PATH"
    return spec.name if spec.name != ref else f"{spec.name} from another folder"


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

"""What a plugin must be before it is believed: known hooks, their arguments, and sound specs.

Stock pluggy ignores a misspelt hook and raises for the whole program where arguments differ. Here each
finding is a `PluginFailure` of the one plugin, in words for its author.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from itertools import chain
from typing import Any, NamedTuple, get_type_hints

import pluggy

from headstart import hookspecs
from headstart.hookspecs import PROJECT
from headstart.host.guard import PluginFailure
from headstart.host.typing_checks import mismatch
from headstart.options import check_declaration
from headstart.recipe import SETTINGS
from headstart.recipes.sections import KIND
from headstart.specs import (
    API,
    BACKENDS,
    AnySpec,
    AugmentationSpec,
    BackboneSpec,
    DatasetSpec,
    EngineSpec,
    FetchedFile,
    InputSpec,
    LoweringSpec,
    PackageFile,
    PretrainedHead,
    ReporterSpec,
    Spec,
    StrategySpec,
    TargetSpec,
    TaskSpec,
    WeightsSpec,
)
from headstart.suggest import suggestion


class Kind(NamedTuple):
    """A kind of offer: its spec, the hook that offers it, and the fields that a listing shows."""

    spec: type[Spec]
    hook: str
    columns: tuple[str, ...]


KINDS: Mapping[str, Kind] = {
    "backbones": Kind(BackboneSpec, "register_backbones", ("name", "takes", "parameters", "summary")),
    "datasets": Kind(DatasetSpec, "register_datasets", ("name", "medium", "takes_path", "summary")),
    "inputs": Kind(InputSpec, "register_inputs", ("name", "reads", "produces", "summary")),
    "augmentations": Kind(AugmentationSpec, "register_augmentations", ("name", "draws", "summary")),
    "strategies": Kind(StrategySpec, "register_strategies", ("name", "default", "summary")),
    "targets": Kind(TargetSpec, "register_targets", ("name", "means", "summary")),
    "tasks": Kind(TaskSpec, "register_tasks", ("name", "features", "heads", "summary")),
    "reporters": Kind(ReporterSpec, "register_reporters", ("name", "default", "summary")),
    "lowerings": Kind(LoweringSpec, "register_lowerings", ("name", "summary")),
    "engines": Kind(EngineSpec, "register_engines", ("name", "precisions", "missing", "summary")),
}
"""Everything that a plugin can offer, by the name that users call it."""

CHANGES: Mapping[int, str] = {
    1: (
        "BackboneSpec.input is takes; DatasetSpec.input and Records.input are medium; InputSpec has reads and "
        "produces; InputKind.prepare gives Prepared; TargetForm is a target kind; Transform is Change; "
        "Phase.pull is l2_sp, Phase.shares wise_ft, FitsTargets.chances sampling_weights"
    ),
}
"""What is called otherwise since each earlier api: old name, new name."""
GUIDE = "see `What changed from api 1` in the plugin guide"

_SHORT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_FLAG = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_PLUGIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def verify_name(name: str) -> None:
    """Raise PluginFailure where an entry point's name could not stand in `plugin/name`."""
    if not _PLUGIN_NAME.fullmatch(name):
        raise PluginFailure(f"the name {name!r} may hold letters, digits, '_', '-' and '.' only")


def verify_hooks(plugin: object, name: str) -> Mapping[str, pluggy.HookImpl]:
    """The hooks that `plugin` implements, by name. Raises PluginFailure for names and arguments we do not
    know.
    """
    manager = pluggy.PluginManager(PROJECT)  # knows our hooks and no plugin: each is verified in its own
    manager.add_hookspecs(hookspecs)
    known = tuple(sorted(name for name in dir(manager.hook) if not name.startswith("_")))
    for attribute in dir(plugin):
        _verify_attribute(manager, plugin, attribute, known)
    try:
        manager.register(plugin, name)
    except pluggy.PluginValidationError as exc:
        raise PluginFailure(" ".join(str(exc).split())) from exc
    implemented = {hook: impls[0] for hook in known if (impls := getattr(manager.hook, hook).get_hookimpls())}
    if not implemented:
        raise PluginFailure("implements no hook; mark functions such as register_datasets with @hookimpl")
    return implemented


def _verify_attribute(manager: pluggy.PluginManager, plugin: object, attribute: str, known: tuple[str, ...]) -> None:
    declared = manager.parse_hookimpl_opts(plugin, attribute)
    if declared is None:
        if attribute in known and callable(getattr(plugin, attribute)):
            raise PluginFailure(f"{attribute} is not marked with @hookimpl")
        return
    hook = declared.get("specname") or attribute
    if hook not in known and not declared.get("optionalhook"):
        raise PluginFailure(f"{hook!r} is no hook; {suggestion(hook, known)}")
    if declared.get("hookwrapper") or declared.get("wrapper"):
        raise PluginFailure(f"{hook} is a hook wrapper; hooks are called one by one and cannot be wrapped")


def verify_specs(offered: Any, kind: str, plugin: str) -> tuple[AnySpec, ...]:
    """What a `register_*` hook returned, checked. Raises PluginFailure naming the first spec that is not
    sound.
    """
    if isinstance(offered, Spec) or not isinstance(offered, Iterable):
        raise PluginFailure(f"register_{kind} must return a list of specs, not {type(offered).__name__}")
    specs = tuple(offered)
    for spec in specs:
        verify_spec(spec, kind, plugin)
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise PluginFailure(f"register_{kind} offers {name!r} twice")
    return specs


def verify_spec(spec: Any, kind: str, plugin: str) -> None:
    """Raise PluginFailure where `spec` is not a sound offer of `plugin`, of this kind."""
    expected, hook, _ = KINDS[kind]
    if type(spec) is not expected:  # a subclass could answer anything where its name is asked for
        raise PluginFailure(f"{hook} must offer {expected.__name__}, not {type(spec).__name__}")
    if spec.api != API:
        raise PluginFailure(
            f"{spec.name!r} was written for api {spec.api!r}; this headstart offers api {API}{what_changed(spec.api)}"
        )
    prefix, slash, short = str(spec.name).partition("/")
    if prefix != plugin or not slash or not _SHORT_NAME.fullmatch(short):
        raise PluginFailure(f"the name {spec.name!r} must be {plugin}/ and letters, digits, '_', '-' or '.'")
    declared = chain(_field_problems(spec), check_declaration(spec.options))
    for problem in chain(declared, _backbone_problems(spec), _input_problems(spec), _task_problems(spec)):
        raise PluginFailure(f"{spec.name}: {problem}")


def what_changed(api: Any) -> str:
    """What an author must rename who wrote for an earlier `api`; empty for another one."""
    return f": {CHANGES[api]}; {GUIDE}" if api in CHANGES else ""


def _field_problems(spec: Any) -> Iterable[str]:
    """Dataclasses do not check their fields' types; a plugin's mistakes should not surface in the middle of a
    run.
    """
    params = getattr(type(spec), "__dataclass_params__", None)
    if not is_dataclass(spec) or params is None or not params.frozen:
        yield "the spec must be a frozen dataclass"
    hints = get_type_hints(type(spec))
    for field in fields(spec):
        if field.name in hints and (wrong := mismatch(getattr(spec, field.name), hints[field.name])):
            yield f"{field.name} {wrong}"
    if not str(spec.summary).strip():
        yield "summary is empty; say in one sentence what this is"
    if not _TARGET.fullmatch(str(spec.build)):
        yield f"build must be 'module:function', not {spec.build!r}"
    if isinstance(spec, EngineSpec) and spec.export is not None and not _TARGET.fullmatch(spec.export):
        yield f"export must be 'module:function', not {spec.export!r}"


def _backbone_problems(spec: Any) -> Iterable[str]:
    if not isinstance(spec, BackboneSpec):
        return
    if spec.stages is not None and (not spec.stages or len(set(spec.stages)) != len(spec.stages)):
        yield "stages must be named, each once"
    for feature in spec.features if spec.stages is not None else ():
        if feature.stage not in (spec.stages or ()):
            yield f"feature {feature.name!r} names the stage {feature.stage!r}, not one of its stages"
    for backend in spec.refuses:
        if backend not in BACKENDS:
            yield f"refuses names {backend!r}; backends are {', '.join(BACKENDS)}"
    for table in ("preprocess", "tiny", "given"):
        if wrong := _not_plain(getattr(spec, table)):
            yield f"{table} {wrong}"
    for weights in spec.weights:
        yield from (f"weights {weights.name!r}: {problem}" for problem in _weights_problems(weights))


def _input_problems(spec: Any) -> Iterable[str]:
    if not isinstance(spec, InputSpec):
        return
    if not spec.reads or not all(medium.strip() for medium in (*spec.reads, spec.produces)):
        yield 'reads and produces must name something, such as ("image",) and "image"'
    names = [option.name for option in fields(spec.options)]
    if KIND in names:
        yield f"no option may be called {KIND!r}: that names the input kind itself in [input]"
    for flag, option in spec.flags.items():
        if not _FLAG.fullmatch(flag) or flag.replace("-", "_") in SETTINGS:
            yield f"flags names {flag!r}; expected small letters, digits and '-', and no setting of a recipe"
        if option not in names:
            yield f"flag {flag!r} stands for {option!r}, not one of its options: {', '.join(names) or 'it has none'}"


def _task_problems(spec: Any) -> Iterable[str]:
    names = [option.name for option in fields(spec.options)] if isinstance(spec, TaskSpec) else []
    for name in spec.gradient_options if isinstance(spec, TaskSpec) else ():
        if name not in names:
            yield f"gradient_options names {name!r}, not one of its options: {', '.join(names) or 'it has none'}"


def _weights_problems(weights: WeightsSpec) -> Iterable[str]:
    if not _TARGET.fullmatch(weights.load):
        yield f"load must be 'module:function', not {weights.load!r}"
    if weights.name == "none":
        yield "the name means random weights; choose another"
    if isinstance(weights.origin, PackageFile) and not weights.origin.distribution.strip():
        yield "the origin names no distribution"
    if isinstance(weights.origin, FetchedFile) and not _TARGET.fullmatch(weights.origin.fetch):
        yield f"fetch must be 'module:function', not {weights.origin.fetch!r}"
    if wrong := _not_plain(weights.preprocess):
        yield f"preprocess {wrong}"
    for name in weights.assets:
        if not _SHORT_NAME.fullmatch(name):
            yield f"assets names {name!r}; expected the name of a file"
    if weights.head is not None:
        yield from (f"head: {problem}" for problem in _head_problems(weights.head))


def _head_problems(head: PretrainedHead) -> Iterable[str]:
    if not _TARGET.fullmatch(head.load):
        yield f"load must be 'module:function', not {head.load!r}"
    if wrong := _not_plain(head.labels):
        yield f"labels {wrong}"


def _not_plain(values: Mapping[str, Any]) -> str | None:
    """Why values cannot stand in JSON, which every listing and artefact writes them to; None where they can."""
    try:
        json.dumps(values if type(values) is dict else dict(values), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as exc:
        return f"must hold plain values: text, finite numbers, true, false, none, lists and tables of these ({exc})"
    return None

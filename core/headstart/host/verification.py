"""What a plugin must be before it is believed: a name that offers can begin with, and sound specs.

Each finding is a `PluginFailure` of the one plugin, in words for its author.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from itertools import chain
from typing import Any, NamedTuple

from headstart.host.guard import PluginFailure
from headstart.host.typing_checks import hints_of, mismatch
from headstart.options import check_declaration
from headstart.recipe import KIND, SETTINGS
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
    NpmFile,
    PackageFile,
    ReporterSpec,
    ScoreSpec,
    Spec,
    StrategySpec,
    TargetSpec,
    TaskSpec,
    WeightsSpec,
)

CHANGES: Mapping[int, str] = {
    1: (
        "BackboneSpec.input is takes; DatasetSpec.input and Records.input are medium; InputSpec has reads and "
        "produces; InputKind.prepare gives Prepared; TargetForm is a target kind; Transform is Change; "
        "Phase.pull is l2_sp, Phase.shares wise_ft, FitsTargets.chances sampling_weights"
    ),
}
"""What is called otherwise since each earlier api: old name, new name."""
GUIDE = "see `What changed from api 1` in the plugin guide"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_INTEGRITY = re.compile(r"sha512-[A-Za-z0-9+/]{86}==")
_FLAG = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def verify_name(name: str) -> None:
    """Raise PluginFailure where an entry point's name could not stand in `plugin/name`."""
    if not _NAME.fullmatch(name):
        raise PluginFailure(f"the name {name!r} may hold letters, digits, '_', '-' and '.' only")


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
    expected, _, further_problems = KINDS[kind]
    if type(spec) is not expected:  # a subclass could answer anything where its name is asked for
        raise PluginFailure(f"register_{kind} must offer {expected.__name__}, not {type(spec).__name__}")
    if spec.api != API:
        raise PluginFailure(
            f"{spec.name!r} was written for api {spec.api!r}; this headstart offers api {API}{what_changed(spec.api)}"
        )
    prefix, slash, short = str(spec.name).partition("/")
    if prefix != plugin or not slash or not _NAME.fullmatch(short):
        raise PluginFailure(f"the name {spec.name!r} must be {plugin}/ and letters, digits, '_', '-' or '.'")
    for problem in chain(_field_problems(spec), check_declaration(spec.options), further_problems(spec)):
        raise PluginFailure(f"{spec.name}: {problem}")


def what_changed(api: Any) -> str:
    """What an author must rename who wrote for an earlier `api`; empty for another one."""
    return f": {CHANGES[api]}; {GUIDE}" if api in CHANGES else ""


def _field_problems(spec: Any) -> Iterable[str]:
    """Dataclasses do not check their fields' types; a plugin's mistakes should not surface in the middle of a
    run.
    """
    kind: type = type(spec)
    hints = hints_of(kind)
    for field in fields(spec):
        if wrong := mismatch(getattr(spec, field.name), hints[field.name]):
            yield f"{field.name} {wrong}"
    if not str(spec.summary).strip():
        yield "summary is empty; say in one sentence what this is"
    yield from _value_problems(spec, targets=("build",))


def _backbone_problems(spec: BackboneSpec) -> Iterable[str]:
    if spec.stages is not None and (not spec.stages or len(set(spec.stages)) != len(spec.stages)):
        yield "stages must be named, each once"
    for feature in spec.features if spec.stages is not None else ():
        if feature.stage not in (spec.stages or ()):
            yield f"feature {feature.name!r} names the stage {feature.stage!r}, not one of its stages"
    for backend in spec.refuses:
        if backend not in BACKENDS:
            yield f"refuses names {backend!r}; backends are {', '.join(BACKENDS)}"
    yield from _value_problems(spec, plain=("preprocess", "tiny", "given"))
    yield from _option_names(spec, "gradient_options")
    if spec.reading is not None:
        yield from (f"reading: {problem}" for problem in _value_problems(spec.reading, plain=("options",)))
    for weights in spec.weights:
        yield from (f"weights {weights.name!r}: {problem}" for problem in _weights_problems(weights))


def _weights_problems(weights: WeightsSpec) -> Iterable[str]:
    yield from _value_problems(weights, targets=("load",), plain=("preprocess",))
    if weights.name == "none":
        yield "the name means random weights; choose another"
    if isinstance(weights.origin, PackageFile) and not weights.origin.distribution.strip():
        yield "the origin names no distribution"
    if isinstance(weights.origin, NpmFile) and not _INTEGRITY.fullmatch(weights.origin.integrity):
        yield 'the origin has no integrity as npm publishes it: "sha512-" and the base64 of 64 bytes'
    if isinstance(weights.origin, FetchedFile):
        yield from _value_problems(weights.origin, targets=("fetch",))
    for name in weights.assets:
        if not _NAME.fullmatch(name):
            yield f"assets names {name!r}; expected the name of a file"
    if weights.head is not None:
        problems = _value_problems(weights.head, targets=("load",), plain=("labels",))
        yield from (f"head: {problem}" for problem in problems)


def _dataset_problems(spec: DatasetSpec) -> Iterable[str]:
    if spec.make is None:
        if spec.codes:
            yield "codes say which data is made, and make names nothing that makes it"
        return
    yield from _value_problems(spec, targets=("make",))
    if spec.takes_path:
        yield "takes_path and make exclude each other: what is made is opened by its name alone"
    yield from (f"make_options: {problem}" for problem in check_declaration(spec.make_options))


def _input_problems(spec: InputSpec) -> Iterable[str]:
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


def _task_problems(spec: TaskSpec) -> Iterable[str]:
    yield from _option_names(spec, "gradient_options", "answer_options")
    if odd := [name for name in spec.file_options if name not in spec.answer_options]:
        yield f"file_options names {', '.join(odd)}, not among its answer_options"


def _option_names(spec: Spec, *listed: str) -> Iterable[str]:
    """What fields list that is no option of `spec`."""
    names = [option.name for option in fields(spec.options)]
    for field in listed:
        for name in [each for each in getattr(spec, field) if each not in names]:
            yield f"{field} names {name!r}, not one of its options: {', '.join(names) or 'it has none'}"


def _engine_problems(spec: EngineSpec) -> Iterable[str]:
    return _value_problems(spec, targets=("export",)) if spec.export is not None else ()


def _score_problems(spec: ScoreSpec) -> Iterable[str]:
    if not spec.reads or not all(form.strip() for form in spec.reads):
        yield 'reads must name a form of targets, such as ("classes",)'
    if not spec.unit.strip():
        yield 'unit is empty; say what the number is, such as "accuracy" or "nats"'
    if spec.low is not None and spec.high is not None and not spec.low < spec.high:
        yield f"low must be below high, received {spec.low:g} and {spec.high:g}"


def _no_problems(spec: Spec) -> Iterable[str]:
    return ()


def _value_problems(record: Any, *, targets: Iterable[str] = (), plain: Iterable[str] = ()) -> Iterable[str]:
    """What is wrong with fields that hold build `targets`, and with those that hold `plain` values.

    Plain ones can stand in JSON, which every listing and artefact writes them to.
    """
    for name in targets:
        target = getattr(record, name)
        if not _TARGET.fullmatch(str(target)):
            yield f"{name} must be 'module:function', not {target!r}"
    for name in plain:
        try:
            json.dumps(dict(getattr(record, name)), allow_nan=False)
        except (TypeError, ValueError, RecursionError) as exc:
            expected = "text, finite numbers, true, false, none, lists and tables of these"
            yield f"{name} must hold plain values: {expected} ({exc})"


class Kind(NamedTuple):
    """A kind of offer: its spec, the fields that a listing shows, and what else can be wrong than the types of fields.

    The hook that offers it is `register_` and the kind's name.
    """

    spec: type[Spec]
    columns: tuple[str, ...]
    problems: Callable[[Any], Iterable[str]] = _no_problems


KINDS: Mapping[str, Kind] = {
    "backbones": Kind(BackboneSpec, ("name", "takes", "parameters", "summary"), _backbone_problems),
    "datasets": Kind(DatasetSpec, ("name", "medium", "targets", "takes_path", "summary"), _dataset_problems),
    "inputs": Kind(InputSpec, ("name", "reads", "produces", "summary"), _input_problems),
    "augmentations": Kind(AugmentationSpec, ("name", "draws", "summary")),
    "strategies": Kind(StrategySpec, ("name", "default", "summary")),
    "targets": Kind(TargetSpec, ("name", "means", "summary")),
    "tasks": Kind(TaskSpec, ("name", "features", "heads", "summary"), _task_problems),
    "reporters": Kind(ReporterSpec, ("name", "default", "summary")),
    "lowerings": Kind(LoweringSpec, ("name", "summary")),
    "engines": Kind(EngineSpec, ("name", "precisions", "missing", "summary"), _engine_problems),
    "scores": Kind(ScoreSpec, ("name", "reads", "unit", "decides", "summary"), _score_problems),
}
"""Everything that a plugin can offer, by the name that users call it."""

"""What a user means by a reference: a registered name, a path, or `KIND:REF`.

A reference is a path if it starts with `.`, `/` or `~`, or exists. A registered name that also exists as a
path is an error that shows both spellings, and so are two plugins that would open the same path.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import HeadstartError, PluginError, UsageError
from headstart.host.guard import PluginFailure, guarded
from headstart.host.lookup import matching
from headstart.host.verification import verify_spec
from headstart.specs import BackboneSpec, DatasetSpec
from headstart.suggest import suggestion

if TYPE_CHECKING:
    from headstart.plugins import LoadedPlugin
    from headstart.registry import Registry


@dataclass(frozen=True)
class ResolvedDataset:
    """A dataset's spec, and the path or reference that it opens, or None. `str` gives a spelling that means
    it.
    """

    spec: DatasetSpec
    reference: str | None

    def __str__(self) -> str:
        return self.spec.name if self.reference is None else f"{self.spec.name}:{self.reference}"


def looks_like_path(ref: str) -> bool:
    """Whether `ref` is written as a path, or is one."""
    return ref.startswith((".", "/", "~")) or _exists(ref)


def _exists(ref: str) -> bool:
    try:
        return Path(ref).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # a name too long, a NUL, an unknown ~user: no such path
        return False


def find_dataset(registry: Registry, ref: str) -> ResolvedDataset:
    """The dataset that `ref` means; see `Registry.resolve_dataset`."""
    _require_written(ref, "dataset")
    named = matching(registry.specs("datasets"), ref)
    if looks_like_path(ref):
        _refuse_both(ref, [spec.name for spec in named])
        return _dataset_at(registry, ref)
    kind, colon, rest = ref.partition(":")
    if named or not colon:
        return _named_dataset(registry, ref)
    spec = registry.get("datasets", kind)
    if not spec.takes_path:
        raise UsageError(f"{spec.name} opens no path, received {rest!r}", hint=f"write {kind}")
    _require_written(rest, f"path after {kind}:")
    return ResolvedDataset(spec, str(Path(rest).expanduser()) if rest.startswith("~") else rest)


def _named_dataset(registry: Registry, ref: str) -> ResolvedDataset:
    try:
        spec = registry.get("datasets", ref)
    except PluginError:
        raise
    except UsageError as exc:
        if matching(registry.specs("datasets"), ref):
            raise
        raise UsageError(f"no such path, and {exc.message}: {ref}", hint=exc.hint) from exc
    if spec.takes_path:
        raise UsageError(f"{spec.name} needs a path", hint=f"write {ref}:PATH")
    return ResolvedDataset(spec, None)


def _dataset_at(registry: Registry, ref: str) -> ResolvedDataset:
    path = _require_path(ref)
    answers = _ask(registry, "resolve_dataset", str(path), lambda _, answer: _known_dataset(registry, answer))
    names = sorted({answer for _, answer in answers})
    if not names:
        kinds = [spec.name for spec in registry.specs("datasets") if spec.takes_path]
        hint = f"say what it is, as in KIND:{ref}; kinds that open paths: {', '.join(kinds) or 'none'}"
        raise UsageError(f"no dataset plugin recognises {ref}", hint=hint)
    if len(names) > 1:
        spellings = " or ".join(f"{name}:{ref}" for name in names)
        raise UsageError(f"{' and '.join(names)} would both open {ref}", hint=f"write {spellings}")
    return ResolvedDataset(registry.get("datasets", names[0]), str(path))


def _known_dataset(registry: Registry, answer: Any) -> None:
    known = [spec.name for spec in registry.specs("datasets")]
    if answer not in known:
        near = suggestion(str(answer), known)
        raise PluginFailure(f"it answered {answer!r}, which is no dataset's full name; {near}")


def find_backbone(registry: Registry, ref: str) -> BackboneSpec:
    """The backbone that `ref` means; see `Registry.resolve_backbone`."""
    _require_written(ref, "backbone")
    named = matching(registry.specs("backbones"), ref)
    if looks_like_path(ref):
        _refuse_both(ref, [spec.name for spec in named])
        return _backbone_by_reference(registry, ref, str(_require_path(ref)))
    if ":" in ref and not named:
        return _backbone_by_reference(registry, ref, ref)
    if "/" in ref and not named and (owner := _resolver_called(registry, ref.partition("/")[0])):
        return _backbone_by_reference(registry, ref, ref, only=owner)
    found: BackboneSpec = registry.get("backbones", ref)
    return found


def _resolver_called(registry: Registry, name: str) -> LoadedPlugin | None:
    """The plugin `name`, where it resolves references: then `name/anything` is its to answer."""
    loaded = (plugin for plugin in registry.host.loaded if plugin.info.name == name)
    return next((plugin for plugin in loaded if "resolve_backbone" in plugin.hooks), None)


def _backbone_by_reference(
    registry: Registry, ref: str, asked: str, *, only: LoadedPlugin | None = None
) -> BackboneSpec:
    asked_of = [only] if only else registry.host.loaded
    answers = _ask(registry, "resolve_backbone", asked, _sound_backbone, asked_of)
    if not answers:
        raise UsageError(f"no plugin opens {ref} as a backbone", hint="`headstart backbones` lists what there is")
    if len(answers) > 1:
        names = " and ".join(f"{plugin.info.name} ({answer.name})" for plugin, answer in answers)
        raise UsageError(f"two plugins would open {ref}: {names}", hint="leave one out with --disable-plugin")
    found: BackboneSpec = answers[0][1]
    return found


def _sound_backbone(plugin: LoadedPlugin, answer: Any) -> None:
    verify_spec(answer, "backbones", plugin.info.name)


Check = Callable[["LoadedPlugin", Any], None]
"""Raises PluginFailure for an answer that is none."""


def _ask(
    registry: Registry, hook: str, ref: str, check: Check, plugins: Sequence[LoadedPlugin] | None = None
) -> list[tuple[LoadedPlugin, Any]]:
    """The answers of `plugins`, or all, that are not None. One that fails counts only where nobody answers."""
    answers, failures = [], []
    for plugin in registry.host.loaded if plugins is None else plugins:
        try:
            with guarded():
                answer = plugin.call(hook, ref=ref)
                if answer is not None:
                    check(plugin, answer)
        except PluginFailure as exc:
            failures.append((plugin, exc))
        else:
            if answer is not None:
                answers.append((plugin, answer))
    if failures and not answers:
        plugin, failure = failures[0]
        if isinstance(failure.__cause__, HeadstartError):
            raise failure.__cause__ from failure
        raise PluginError(f"{plugin.info.origin}: {hook} failed: {failure}") from failure.__cause__
    return answers


def _require_written(ref: str, what: str) -> None:
    if not ref.strip():
        raise UsageError(f"the {what} is empty")


def _require_path(ref: str) -> Path:
    if not _exists(ref):
        raise UsageError(f"no such path: {ref}", hint="check the spelling, or name a dataset or backbone")
    return Path(ref).expanduser()


def _refuse_both(ref: str, names: list[str]) -> None:
    if names and not ref.startswith((".", "/", "~")):
        hint = f"write ./{ref} for the path, or {' or '.join(_unlike(ref, name) for name in names)} for the name"
        raise UsageError(f"{ref!r} is both a registered name and a path", hint=hint)


def _unlike(ref: str, name: str) -> str:
    """A spelling of the name that is not also the path."""
    return name if name != ref else f"{name} from another folder"

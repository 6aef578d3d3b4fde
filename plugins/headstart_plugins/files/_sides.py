"""Folders that are sides of a split."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.errors import DataError
from headstart.lists import in_line
from headstart.specs import Finding
from headstart.suggest import near_misses
from headstart_plugins._files.names import SPLIT_NAMES, bare_name, side_of
from headstart_plugins._files.tree import Tree

UNLABELLED = frozenset(
    {"pred", "predict", "prediction", "predictions", "unlabelled", "unlabeled", "unsup", "unsupervised"}
)
"""Names, without the words that say nothing, of folders of what shall be predicted."""
SHELVES = frozenset({"images", "imgs", "pictures", "photos", "texts", "all", "unknown", "unlabelled", "unlabeled"})
"""Names of a folder that only holds what its side holds, such as test/images."""
SHAPE = "expected a folder for each class with {}s in it, or train, val and test folders above those"
"""Of what files hold, such as `picture`."""
CLASSES = "where they are classes, --set dataset.sides=false"


def _asks(name: str) -> bool:
    """Whether `name` stands for what shall be predicted; test1 does, where it has no labels."""
    return bare_name(name) in UNLABELLED or side_of(name.rstrip("0123456789")) == "test"


@dataclass(frozen=True)
class Top:
    """A folder that holds class folders: `folder`, or what it only wraps, `inner`; and its side of a split or None."""

    folder: Path
    inner: Path
    side: str | None


@dataclass(frozen=True)
class Layout:
    """Where class folders lie, the folders that are `left` out, and what is to be said of that."""

    tops: tuple[Top, ...]
    left: tuple[Path, ...] = ()
    findings: tuple[Finding, ...] = ()


def find_sides(tree: Tree, *, labelled: Callable[[Path], bool], nested: bool, named: bool) -> Layout:
    """Sides are the folders whose names say so, in the data itself or in the only folder there.

    `labelled` says whether what is below a folder has labels. A class is each folder of samples where they are
    `nested`; where classes are `named` by files, those of folders mean nothing else. Raises DataError for folders that
    are half sides and half not, for two of one side, for none to train on, and where folders that are no sides by name
    share the class folders in them.
    """
    root = _inner(tree, tree.root, stop=side_of)
    wraps = () if root == tree.root else (_wrapper(tree, root),)
    folders = tree.folders.get(root, [])
    sides = [folder for folder in folders if side_of(folder.name)]
    asked = [folder for folder in folders if folder not in sides and _asks(folder.name) and not labelled(folder)]
    others = [folder for folder in tree.filled(root) if folder not in (*sides, *asked)]
    alone = len(sides) == 1 < len(folders)  # one among others can be a class, such as a train
    if not sides or (alone and (others or not asked) and not named and not _holds_classes(tree, sides[0], others)):
        if named:
            return Layout((Top(tree.root, root, None),))
        if not nested:
            _refuse_alike(tree, root)
        return Layout((Top(tree.root, root, None),), findings=(*wraps, *(_among_classes(tree, each) for each in sides)))
    if others:
        raise _half_sides(tree, root, sides, others)
    _check_complete(tree, root, sides)
    train = next(folder for folder in sides if side_of(folder.name) == "train")
    classes = {each.name.lower() for each in tree.filled(_inner(tree, train))}
    without = [folder for folder in sides if tree.any_below(folder) and not labelled(folder)]
    if train not in without:
        asked += [folder for folder in without if side_of(folder.name) == "test"]
    tops = tuple(
        Top(folder, _inner(tree, folder, stop=lambda name: name.lower() in classes), side_of(folder.name))
        for folder in sides
        if folder not in asked
    )
    left = tuple(folder for folder in folders if folder in asked or folder not in (*sides, *others))
    return Layout(tops, left, (*wraps, *_naming(tree, tops), *_left_out(tree, left)))


def without_unlabelled(tree: Tree, layout: Layout) -> Layout:
    """The layout without folders among those of classes whose names say that nobody labelled what they hold, where a
    side has no such folder: train/unsup beside train/pos and train/neg."""
    inside = [{folder.name for folder in tree.filled(top.inner)} for top in layout.tops]
    left = tuple(
        folder
        for top in layout.tops
        for folder in tree.filled(top.inner)
        if bare_name(folder.name) in UNLABELLED and not all(folder.name in names for names in inside)
    )
    findings = (*layout.findings, *_left_out(tree, left))
    return dataclasses.replace(layout, left=(*layout.left, *left), findings=findings)


def unwrapped(tree: Tree) -> Tree:
    """An archive from the one folder on that holds all the others: people pack the folder `photos`, and mean what lies
    in it. Its samples have the keys of those in the unpacked folder."""
    root = _inner(tree, tree.root, stop=side_of)
    if root == tree.root:
        return tree
    return dataclasses.replace(tree, root=root, findings=(*tree.findings, _wrapper(tree, root)))


def has_class_folders(tree: Tree, folder: Path) -> bool:
    """Whether samples lie in folders in `folder`, other than in one alone whose name says that it is no class."""
    inside = tree.filled(folder)
    if len(inside) == 1 and folder not in tree.samples and not tree.filled(inside[0]):
        return inside[0].name.lower() not in (*SHELVES, folder.name.lower())
    return bool(inside)


def _inner(tree: Tree, folder: Path, *, stop: Callable[[str], object] | None = None) -> Path:
    """`folder`, or below it the first one that has several folders of samples, or one with a name to `stop` at that
    has; where each on the way is all that there is."""
    inner = folder
    while inner not in tree.samples and len(inside := tree.folders.get(inner, [])) == 1:
        if stop and stop(inside[0].name):
            return inner if len(tree.filled(_inner(tree, inside[0]))) > 1 else folder
        inner = inside[0]
    return inner if len(tree.filled(inner)) > 1 else folder


def _class_names(tree: Tree, folder: Path) -> set[str]:
    """The names, in lower case, of what would be class folders if `folder` were a side: none where it has more than a
    few samples of its own."""
    inner = _inner(tree, folder)
    few = 10 * len(tree.samples.get(inner, ())) < len(tree.below(inner))
    return {each.name.lower() for each in tree.filled(inner)} if few else set()


def _holds_classes(tree: Tree, side: Path, others: Sequence[Path]) -> bool:
    """Whether a folder with the name of a `side` is one among `others`, as the folders in it say, or those in all of
    the others."""
    several = [len(_class_names(tree, folder)) > 1 for folder in (side, *others)]
    return several[0] or (len(several) > 1 and all(several[1:]))


def _refuse_alike(tree: Tree, root: Path) -> None:
    """Raise DataError where folders in `root` share names of the folders in them as the sides of a split do: two at
    least, or all that one of them has and others have more. And where names differ by the side alone."""
    if alike := _named_alike(tree.filled(root)):
        message = f"{root}: {in_line([folder.name for folder in alike])} look like sides of a split by their names"
        raise DataError(message, hint=_ways_out(alike))
    inside = {folder: _class_names(tree, folder) for folder in tree.filled(root)}
    counts = Counter(name for names in inside.values() for name in names)
    widest = {
        name: max(len(names) for names in inside.values() if name in names) for name in counts if counts[name] > 1
    }
    shared = {folder: names & widest.keys() for folder, names in inside.items()}
    if any(
        len(names) > 1 or (names == inside[folder] and any(widest[name] > 1 for name in names))
        for folder, names in shared.items()
    ):
        alike = [folder for folder, names in shared.items() if names]
        named, same = in_line([folder.name for folder in alike]), in_line(sorted(widest))
        message = f"{root}: {named} look like sides of a split: they share the folders {same}"
        raise DataError(message, hint=_ways_out(alike))


def _named_alike(folders: Iterable[Path]) -> list[Path]:
    """The folders whose names are equal but for one word, which says different sides: faces_train and faces_test."""
    alike: defaultdict[tuple[str, ...], dict[Path, str]] = defaultdict(dict)
    for folder in folders:
        words = bare_name(folder.name).split()
        for index, side in enumerate(map(SPLIT_NAMES.get, words)):
            if side and len(words) > 1:
                alike[(*words[:index], "", *words[index + 1 :])][folder] = side
    return next((list(found) for found in alike.values() if len(set(found.values())) > 1), [])


def _half_sides(tree: Tree, root: Path, sides: Sequence[Path], others: Sequence[Path]) -> DataError:
    counts = Counter(name for folder in (*sides, *others) for name in _class_names(tree, folder))
    shared = sorted(name for name in counts if counts[name] > 1)
    look = "look like sides of a split" if len(sides) > 1 else "looks like a side of a split"
    named, odd = (in_line([folder.name for folder in each]) for each in (sides, others))
    message = f"{root}: {named} {look}, {odd} {'do' if len(others) > 1 else 'does'} not"
    return DataError(
        message + (f"; they share the folders {in_line(shared)}" if shared else ""), hint=_ways_out(others)
    )


def _ways_out(folders: Sequence[Path]) -> str:
    meant = [
        f"{folder.name} to {SPLIT_NAMES[near[0]]}"
        for folder in folders
        if (near := near_misses(bare_name(folder.name), SPLIT_NAMES))
    ]
    such = f" ({in_line(meant)})" if meant else ""
    return (
        f"rename sides to train, val and test{such}, and move away what is none; where all these are classes, --set "
        "dataset.sides=false, and with it dataset.nested=true where each folder in them is a class"
    )


def _check_complete(tree: Tree, root: Path, sides: Sequence[Path]) -> None:
    """Raise DataError where two folders are one side, or none is to be trained on."""
    for side in ("train", "val", "test"):
        names = [folder.name for folder in sides if side_of(folder.name) == side]
        if len(names) > 1:
            raise DataError(f"{root}: {' and '.join(names)} both mean {side}", hint=f"keep one of them; {CLASSES}")
        if side == "train" and not names:
            hint = f"{SHAPE.format(tree.medium.noun)}; {CLASSES}"
            raise DataError(f"{root}: {', '.join(folder.name for folder in sides)}, but no train folder", hint=hint)


def _wrapper(tree: Tree, inner: Path) -> Finding:
    message = f"{inner} holds all the {tree.medium.noun}s in {tree.root}, so it is taken for the data itself"
    return Finding("note", message, hint="where its top folder is a class, --set dataset.sides=false")


def _among_classes(tree: Tree, side: Path) -> Finding:
    hint = "move it away where it is none; --set dataset.sides=false says that it is one"
    return Finding("warning", f"{tree.name(side)} is taken for a class like the folders beside it", hint=hint)


def _naming(tree: Tree, tops: Sequence[Top]) -> Iterator[Finding]:
    """What was taken for which side, where the names do not say it literally."""
    taken = [
        f"{tree.name(top.inner)} for {top.side}"
        for top in tops
        if top.folder.name.lower() != top.side or top.inner != top.folder
    ]
    if taken:
        yield Finding("note", f"folders taken for the sides of a split: {', '.join(taken)}", len(taken), CLASSES)


def _left_out(tree: Tree, left: Sequence[Path]) -> Iterator[Finding]:
    for folder in left:
        if count := len(tree.below(folder)):
            message = f"{tree.name(folder)} holds {tree.medium.counted(count)} without labels: left out"
            yield Finding("note", message, count, f"after a run, headstart predict RUN {folder} answers them")
        else:
            yield Finding("note", f"{tree.name(folder)} holds no {tree.medium.noun}s: left out")

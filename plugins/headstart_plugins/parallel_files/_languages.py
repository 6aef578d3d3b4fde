"""Which of the languages of some data is the source, and which the target."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from headstart.errors import DataError
from headstart.lists import in_line
from headstart_plugins._parallel_layouts import SIDES_OF_NAMES
from headstart_plugins.parallel_files import LanguageOptions

ENGLISH = ("en", "eng")


def source_and_target(where: str, languages: Iterable[str], options: LanguageOptions) -> tuple[str, str]:
    """The names of both among `languages`, as the data has them. A setting means the language of that name, or the
    only one that begins with it, as `en` means en-US.

    Raises DataError where a setting means none or several, and where nothing says which of them is meant.
    """
    there = sorted(set(languages))
    source = _meant(where, there, options.source, "source") if options.source else None
    target = _meant(where, there, options.target, "target") if options.target else None
    for one, other in SIDES_OF_NAMES:
        if {one, other} == set(there):
            source, target = source or one, target or other
    left = [name for name in there if name not in (source, target)]
    english = [name for name in left if _begin(name) in ENGLISH]
    if source is None and len(english) == 1 and len(left) + (target is not None) == 2:
        source = english[0]
    left = [name for name in left if name != source]
    if len(left) == 1:
        source, target = source or (left[0] if target else None), target or (left[0] if source else None)
    if source is None or target is None or source == target:
        listed = in_line(there)
        raise DataError(
            f"{where}: which of the languages {listed} is translated into which is not known",
            hint=f"say it: --set dataset.source={there[0]} --set dataset.target={there[-1]}",
        )
    return source, target


def _meant(where: str, there: Collection[str], wanted: str, which: str) -> str:
    same = [name for name in there if _plain(name) == _plain(wanted)]
    found = same or [name for name in there if _begin(name) == _plain(wanted)]
    if len(found) == 1:
        return found[0]
    listed = in_line(sorted(found or there))
    what = f"several languages are {wanted}" if found else f"no language {wanted}"
    raise DataError(f"{where}: {what}; there are: {listed}", hint=f"name one of them with --set dataset.{which}=...")


def _plain(name: str) -> str:
    return name.replace("_", "-").casefold()


def _begin(name: str) -> str:
    return _plain(name).partition("-")[0]

"""A new plugin project: the files of examples/plugin-template, under a name of the author's own.

The template is a whole project that works as it stands. Its name, `template`, occurs in it only where the name of the
new plugin belongs, so replacing it everywhere is all there is to do.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from headstart.atomic import explained
from headstart.errors import HeadstartError, UsageError
from headstart.host.discovery import find_plugins, normalise

TEMPLATE = "template"
PACKAGED = Path(__file__).with_name("plugin_template")
"""Where a wheel carries the template."""
CHECKOUT = Path(__file__).parents[2] / "examples" / "plugin-template"
FILES = ("*.toml", "*.md", "headstart_template/*.py", "headstart_template/py.typed", "tests/*.py")
"""What belongs to the project; what else may lie there, such as caches, does not."""
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?")


@dataclass(frozen=True)
class PluginNames:
    """What one plugin is called: by users, by installers, and by Python."""

    plugin: str

    @property
    def distribution(self) -> str:
        """What `pip install` takes."""
        return f"headstart-{self.plugin}"

    @property
    def module(self) -> str:
        """What `import` takes."""
        return f"headstart_{self.plugin.replace('-', '_')}"

    def put_into(self, text: str) -> str:
        """`text` of the template, with these names for the template's."""
        old = PluginNames(TEMPLATE)
        new = {old.module: self.module, old.distribution: self.distribution, old.plugin: self.plugin}
        return re.sub("|".join(new), lambda found: new[found[0]], text)


def write_plugin(name: str, folder: Path) -> tuple[Path, ...]:
    """Write the project of a plugin called `name` into `folder`, which is new or empty; returns its files, sorted.

    Raises UsageError for a name that cannot be or is taken, and for a folder that holds something; HeadstartError
    where it cannot be written.
    """
    names = PluginNames(name)
    if not _NAME.fullmatch(name):
        message = f"a plugin's name has letters, digits, '-' and '_', and no '-' or '_' at its ends; received {name!r}"
        raise UsageError(message, hint="as in my-networks")
    if name.lower().startswith(("headstart-", "headstart_")):
        raise UsageError(f"{name!r}: headstart- is put before the name", hint=f"write {name[10:]}")
    _check_free(names)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", hint="name a folder with --out")
    with explained(folder):
        if folder.is_dir() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty", hint="name another folder with --out")
    written = {folder / names.put_into(str(path)): names.put_into(text) for path, text in template_files().items()}
    for file, text in written.items():
        with explained(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
    return tuple(sorted(written))


def template_files() -> Mapping[PurePosixPath, str]:
    """The template's files, by path below its folder. Raises HeadstartError where this installation has none."""
    root = PACKAGED if PACKAGED.is_dir() else CHECKOUT
    found = sorted(path for pattern in FILES for path in root.glob(pattern))
    if not found:
        raise HeadstartError(f"no plugin template in {root}", hint="install headstart again")
    return {PurePosixPath(path.relative_to(root).as_posix()): path.read_text("utf-8") for path in found}


def _check_free(names: PluginNames) -> None:
    wanted = normalise(names.distribution)
    for plugin in find_plugins():
        if wanted in (normalise(f"headstart-{plugin.name}"), plugin.distribution):
            message = (
                f"{names.plugin!r} is taken by the plugin {plugin.name!r} of {plugin.distribution} {plugin.version}"
            )
            raise UsageError(message, hint="choose another name; `headstart plugins` lists those that are taken")
    if importlib.util.find_spec(names.module) is not None:
        raise UsageError(
            f"{names.plugin!r} is taken: the module {names.module} is installed here", hint="choose another name"
        )

"""For the tests of plugin authors: publish a plugin without building or installing anything.

def test_my_plugin(tmp_path, monkeypatch):
    write_distribution(tmp_path, "mine", source)
    monkeypatch.syspath_prepend(tmp_path)
    assert load_registry().get("datasets", "mine/photos")
"""

from __future__ import annotations

import re
from pathlib import Path

from headstart.host.discovery import GROUP


def write_distribution(
    folder: Path,
    plugin: str,
    source: str,
    *,
    distribution: str | None = None,
    version: str = "1.0",
    module: str | None = None,
) -> Path:
    """Write a module and the metadata that an installer would write beside it; returns the module's file.

    With `folder` on `sys.path` (or PYTHONPATH) the plugin is found as if it had been installed. `module` is
    the module's name, `plugin` with underscores if left out; `distribution` is `headstart-` and the plugin's
    name.
    """
    name = module or re.sub(r"\W", "_", plugin)
    published = distribution or f"headstart-{plugin}"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.py"
    file.write_text(source, encoding="utf-8")
    metadata = folder / f"{re.sub('[-_.]+', '_', published)}-{version}.dist-info"
    metadata.mkdir(exist_ok=True)
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {published}\nVersion: {version}\n", encoding="utf-8"
    )
    (metadata / "entry_points.txt").write_text(f"[{GROUP}]\n{plugin} = {name}\n", encoding="utf-8")
    return file

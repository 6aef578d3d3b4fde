"""headstart plugins: what is installed, and what is wrong with it."""

from __future__ import annotations

from dataclasses import asdict

from headstart_cli.options import AsJson, Debug, DisablePlugins
from headstart_cli.output import print_json, print_table


def plugins(as_json: AsJson = False, disable_plugin: DisablePlugins = None, debug: Debug = False) -> None:
    """List plugins: versions, the hooks they implement, and why one was left out."""
    from headstart.registry import load_registry

    infos = load_registry(disable=tuple(disable_plugin or ())).plugins
    if as_json:
        print_json([asdict(info) for info in infos])
        return
    rows = [
        (
            info.name,
            f"{info.distribution} {info.version}",
            info.hooks,
            "disabled" if info.disabled else f"FAILED: {info.error}" if info.error else "ready",
        )
        for info in infos
    ]
    print_table(("plugin", "from", "hooks", "state"), rows)

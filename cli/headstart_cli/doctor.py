"""headstart doctor: what is installed, used and missing. It works whatever is broken."""

from __future__ import annotations

from typing import Any

from headstart_cli.options import AsJson, BackendName, Debug, DisablePlugins
from headstart_cli.output import cell, print_heading, print_json, print_table, print_text


def doctor(
    as_json: AsJson = False,
    backend: BackendName = None,
    disable_plugin: DisablePlugins = None,
    debug: Debug = False,
) -> None:
    """Say what is installed, which backend would be taken and why, and what is missing."""
    from headstart_cli.diagnosis import diagnose

    found = diagnose(backend, tuple(disable_plugin or ()))
    print_json(found) if as_json else _show(found)


def _show(found: dict[str, Any]) -> None:
    print_heading("backend")
    chosen = found["backend"]["chosen"]
    print_text(f"installed: {cell(found['backend']['installed'])}")
    print_text(f"taken: {chosen['name']} ({chosen['origin']})" if chosen else found["backend"]["problem"])
    print_heading("local store")
    store = found["store"]
    print_text(f"{store['path']} ({'there' if store['exists'] else 'not there yet'})")
    print_heading("packages")
    print_table(("package", "version"), found["packages"].items())
    print_heading("plugins")
    for plugin in found["plugins"]:
        state = "disabled" if plugin["disabled"] else plugin["error"] and f"FAILED: {plugin['error']}"
        print_text(f"{plugin['name']} ({plugin['distribution']} {plugin['version']}): {state or 'ready'}")
    print_heading("what to do")
    for advice in found["advice"] or ["nothing: everything that headstart can use is there"]:
        print_text(f"- {advice}")

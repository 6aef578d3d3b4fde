"""headstart fit."""

from __future__ import annotations

from headstart_cli.options import Debug, DisablePlugins


def fit(disable_plugin: DisablePlugins = None, debug: Debug = False) -> None:
    """Not there yet."""
    raise NotImplementedError

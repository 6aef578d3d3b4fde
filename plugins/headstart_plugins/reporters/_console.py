"""The console reporter: live in a terminal, a plain line log elsewhere; always on stderr."""

from __future__ import annotations

from headstart.specs import Reporter, ReporterRequest
from headstart_plugins.reporters import ConsoleOptions
from headstart_plugins.reporters._lines import PlainConsole


def build(request: ReporterRequest) -> Reporter:
    """The console for this stderr. On a replay it draws everything but progress."""
    if request.interactive:
        from headstart_plugins.reporters._terminal import TerminalConsole

        return TerminalConsole(live=request.live)
    options: ConsoleOptions = request.options
    return PlainConsole(log_every=options.log_every, live=request.live)

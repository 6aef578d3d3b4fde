"""The backend itself as an engine."""

from __future__ import annotations

from headstart.engine.device import forward
from headstart.engine.step import Forward
from headstart.specs import EngineRequest


def build(request: EngineRequest) -> Forward:
    """The stages in inference mode on this process' backend; see `headstart.engine.device.forward`."""
    return forward(request.network, 0, request.stop, precision=request.precision)

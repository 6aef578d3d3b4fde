"""What the plugin keeps about a network of keras.applications: plain values, read without any framework."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cut:
    """The upper boundary of a stage.

    `layers` are the layers whose outputs are alive there, the topmost first; a layer that Keras numbers by
    itself is written `kind#index`, its place among the layers of its kind in the order of their making.
    `channels` and `stride` describe the first of them.
    """

    stage: str
    layers: tuple[str, ...]
    channels: int
    stride: int


@dataclass(frozen=True)
class Network:
    """One function of keras.applications, its published weights (without top) and its cuts, bottom first."""

    name: str
    function: str
    family: str
    size: int
    parameters: int
    file: str
    url: str
    digest: str
    cuts: tuple[Cut, ...]

"""Targets: what a record is to be answered with."""

from __future__ import annotations

from typing import Literal

TargetForm = Literal["class", "labels", "number"]
"""What a record's target is, as text: one class, any number of labels joined by SEPARATOR, or a number."""
SEPARATOR = "|"
"""Stands between the labels of one record; text without any label is empty."""

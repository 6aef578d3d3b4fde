"""The dataset `digits`: real handwritten digits that come with scikit-learn."""

from __future__ import annotations

from collections.abc import Iterable

from headstart.hookspecs import hookimpl
from headstart.specs import DatasetSpec


@hookimpl
def register_datasets() -> Iterable[DatasetSpec]:
    """The dataset `digits`."""
    return [
        DatasetSpec(
            name="digits/digits",
            summary="1,797 handwritten digits, 8 x 8 grey, 10 classes; part of scikit-learn.",
            build="headstart_plugins.digits._build:build",
            medium="image",
            targets=("targets/class",),
            takes_path=False,
            licence="CC BY 4.0 (UCI Optical Recognition of Handwritten Digits)",
        )
    ]

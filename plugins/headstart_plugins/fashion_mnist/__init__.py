"""The dataset `fashion_mnist`: 70,000 grey pictures of clothes with a fixed test set."""

from __future__ import annotations

from collections.abc import Iterable

from headstart.hookspecs import hookimpl
from headstart.specs import DatasetSpec


@hookimpl
def register_datasets() -> Iterable[DatasetSpec]:
    """The dataset `fashion_mnist`."""
    return [
        DatasetSpec(
            name="fashion_mnist/fashion_mnist",
            summary="70,000 pictures of clothes, 28 x 28 grey, 10 classes, fixed test set; IDX files in a "
            "folder (`fashion_mnist:FOLDER`) or Debian's package dataset-fashion-mnist.",
            build="headstart_plugins.fashion_mnist._build:build",
            medium="image",
            targets=("targets/class",),
            takes_path=False,
            may_take_path=True,
            licence="MIT (Zalando SE)",
        )
    ]

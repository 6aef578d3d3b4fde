"""Load target: the weights of a preset's folder as KerasHub itself reads them, under our names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from headstart.engine.network.stages import read_arrays
from headstart.errors import WrongWeightsError
from headstart.specs import Backbone
from headstart_plugins.keras_hub._build import converter_of, cut_stages, whole_network
from headstart_plugins.keras_hub._folder import read_folder


def load(file: Path, backbone: Backbone) -> Mapping[str, np.ndarray]:
    """The arrays of the preset whose folder holds `file`, float32, under the names of `backbone`.

    KerasHub's model is built once more, given its weights by KerasHub's own readers (HDF5 or safetensors: data), and
    cut as `backbone` is. Raises WrongWeightsError where the file does not fit the configuration beside it.
    """
    folder = read_folder(file.parent)
    shape = tuple(backbone.stages[0].model.input["image"].shape[1:])
    whole = whole_network(folder.config, shape)
    # Keras passes over what a file does not hold, and would keep random numbers there.
    for variable in whole.weights:
        if keras.backend.is_float_dtype(variable.dtype):
            variable.assign(np.full(variable.shape, np.nan, dtype=np.float32))
    try:
        if file.name.startswith("model.weights"):
            whole.load_weights(str(file))
        else:
            _convert(whole, file, json.loads(folder.config))
        empty = [v.path for v in whole.weights if not np.isfinite(keras.ops.convert_to_numpy(v)).all()]
        if empty:
            raise ValueError(f"{len(empty)} of {len(whole.weights)} weights are not in it, or not finite: {empty[0]}")
    except Exception as exc:  # each format has its own exceptions for a file that does not fit
        raise WrongWeightsError(
            f"{file} does not fit the {type(whole).__name__} of {file.parent / 'config.json'} at {shape[:2]} px: {exc}",
            hint="take the preset's own picture size, and fetch the folder again if that is not it",
        ) from exc
    return read_arrays(tuple(cut_stages(whole)))


def _convert(whole: keras.Model, file: Path, document: Mapping[str, Any]) -> None:
    """Give `whole` the weights of a Hugging Face or timm model.

    KerasHub 0.32 asks for a ViT's and a DeiT's tensors under the name that a classifier gives its backbone
    ("vit.embeddings.cls_token"); a backbone that was saved alone has none.
    """
    from keras_hub.src.utils.transformers.safetensor_utils import SafetensorLoader

    outer = f"{document.get('model_type')}."

    class Loader(SafetensorLoader):  # type: ignore[misc]
        def get_prefixed_key(self, hf_weight_key: str, dict_like: Any) -> str:
            bare = hf_weight_key.removeprefix(outer)
            return bare if bare in dict_like.keys() else super().get_prefixed_key(hf_weight_key, dict_like)  # noqa: SIM118

    prefix = {} if "model_type" in document else {"prefix": ""}
    with Loader(str(file.parent), **prefix) as loader:
        converter_of(document).convert_weights(whole, loader, document)

#!/usr/bin/env bash
# keras-hub 0.32.0: the folder that transformers 5.24.0 saves of a ViTModel (the backbone alone, without a classifier)
# cannot be read: tensors are asked for as "vit.embeddings...", and such a folder has no "vit." in its names. The
# folder of a ViTForImageClassification with the same backbone is read.
# A good guess: both hold model_type "vit" and the same backbone, and KerasHub's loader looks for prefixes of names, so
# both are read.
# Seen 2026-11-30 on Linux, Python 3.11: the classifier's folder is read; the backbone's raises SafetensorError, "File does
# not contain tensor vit.embeddings.patch_embeddings.projection.weight".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.24.0 keras==3.15.1 safetensors regex sentencepiece \
    tokenizers kagglehub
"$folder/venv/bin/pip" install --quiet --no-deps keras-hub==0.32.0  # its dependencies, TensorFlow among them, are not needed here
cd "$folder"
KERAS_BACKEND=torch "$folder/venv/bin/python" - <<'PYTHON'
import keras_hub
import transformers

config = transformers.ViTConfig(
    hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=16
)
whole = transformers.ViTForImageClassification(config)
transformers.ViTModel(config, add_pooling_layer=False).save_pretrained("alone")
whole.save_pretrained("whole")


def told(folder):
    try:
        return type(keras_hub.models.ViTBackbone.from_preset(folder)).__name__
    except Exception as error:
        return f"{type(error).__name__}: {error}"


read, refused = told("whole"), told("alone")
print(keras_hub.__version__, transformers.__version__)
print("classifier:", read)
print("backbone alone:", refused)
assert read == "ViTBackbone"
assert "vit.embeddings" in refused
PYTHON

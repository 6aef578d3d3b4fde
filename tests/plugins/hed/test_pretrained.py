"""`--head pretrained`: raw pictures through the task's own head give the edges that the package's own code computed."""

import numpy as np
import pytest
from recorded import digest, photographs, problems, recorded

from headstart.registry import load_registry
from headstart.specs import TaskRequest

from .conftest import SPEC

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

SIZE = 224


@pytest.fixture(scope="module")
def network(weights_file):
    """The published network below its own head, and the task that this is of."""
    from headstart.engine.network.assemble import backbone_inputs, build_backbone, graft, load_head, load_weights
    from headstart.engine.network.blueprint import BackboneUse
    from headstart.engine.network.network import choose_features
    from headstart.specs import features_of_head

    registry, weights = load_registry(), SPEC.weights[0]
    published, task_spec = weights.head, registry.get("tasks", weights.head.task)
    use = BackboneUse(SPEC, weights, input_options=registry.get("inputs", "image").options(size=SIZE))
    kind = use.blueprint(registry).kind(registry)
    request = TaskRequest(task_spec.options(), labels=published.labels, inputs=kind.tensors)
    task = registry.load_target(task_spec, task_spec.build)(request)
    stages = build_backbone(SPEC, registry, options=SPEC.default_options(), inputs=backbone_inputs(kind))
    features = choose_features(SPEC.features, features_of_head(task_spec, published.head))
    built = graft(kind, stages, features, task=task, head=published.head, seed=0)
    pictures = {"image": photographs(SIZE, SIZE)}
    load_weights(built, pictures, kind, spec=SPEC, source=weights, registry=registry)
    load_head(built, SPEC, weights, registry)
    return built, task


def test_edges_are_those_of_the_package(network):
    from headstart.engine.device import forward

    built, task = network
    pixels, stored = photographs(SIZE, SIZE), recorded("hed")
    if digest(pixels) != stored["pixels"]["224x224"]:
        pytest.skip("this JPEG decoder gives other pixels than the one that the recorded outputs belong to")
    outputs = forward(built, 0, len(built.stages))({"image": pixels})
    edges = 1 / (1 + np.exp(outputs["logits"][..., 0] - outputs["logits"][..., 1]))[..., None]

    assert problems(edges, stored["outputs"]["224x224"]["edges"]) is None
    facts = dict.fromkeys(("height", "width", "input_height", "input_width"), SIZE)
    facts |= {"scale_x": 1.0, "scale_y": 1.0, "offset_x": 0.0, "offset_y": 0.0}
    for answer, probability in zip(task.decode(outputs, [facts] * 2, 5), edges[..., 0], strict=True):
        assert np.array_equal(answer["mask"], probability > 0.5)
        assert {each["class"]: each["pixels"] for each in answer["classes"]}["edge"] == int((probability > 0.5).sum())

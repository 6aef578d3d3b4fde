"""A network of three small stages on real digits, alive and the same on both backends."""

import numpy as np
import pytest

from headstart.data.prepared import PrepareOptions, prepare
from headstart.data.targets import build_target_kind
from headstart.specs import DatasetRequest, InputRequest, TaskRequest


class Bench:
    """What a phase needs: data, input kind, task, and networks with fresh weights."""

    def __init__(self, registry):
        self.registry = registry
        self.spec = registry.get("backbones", "small/net")
        reading = registry.get("inputs", "image")
        request = InputRequest(self.spec.preprocess, reading.options())
        self.kind = registry.load_target(reading, reading.build)(request)
        digits = registry.get("datasets", "digits")
        records = registry.load_target(digits, digits.build)(DatasetRequest(None, digits.options()))
        targets = build_target_kind(registry, "class")
        self.data = prepare(records, self.kind, targets, PrepareOptions(limit=60))
        spec = registry.get("tasks", "classification")
        self.task = registry.load_target(spec, spec.build)(TaskRequest(spec.options(), targets=self.data.values))

    def targets(self, split, picked=slice(None)):
        """Encoded targets of a split, or of some of its rows."""
        rows = self.data.indices(split)[picked]
        keys = [self.data.keys[row] for row in rows]
        return self.task.encode([self.data.values[row] for row in rows], [{}] * len(rows), keys)

    def batch(self, rows):
        return {name: array[rows] for name, array in self.data.tensors.items()}

    def network(self, head="linear", seed=0):
        from headstart.engine.device import forward
        from headstart.engine.network.assemble import backbone_inputs, build_backbone, graft
        from headstart.engine.network.lsuv_init import initialise

        inputs = backbone_inputs(self.kind)
        stages = build_backbone(self.spec, self.registry, options=self.spec.options(), inputs=inputs)
        made = graft(self.kind, stages, self.spec.features, task=self.task, head=head, seed=seed)
        initialise(made.backbone, forward(made, 0, 1)(self.batch(np.arange(32))), seed)
        return made

    def source(self, network, tmp_path, view=None):
        from headstart.cache import Cache
        from headstart.data.array_store import ArrayStore
        from headstart.engine.device import forward
        from headstart.engine.features.extractor import Opened, hash_arrays
        from headstart.engine.features.source import Source
        from headstart.engine.network.stages import read_arrays
        from headstart.timing import Stopwatch

        def opened(cut):
            key = {"cut": cut, "weights": hash_arrays(read_arrays(network.stages[1:cut]))}
            return Opened(forward(network, 0, cut), key, {}, 8)

        return Source(
            network=network,
            data=self.data,
            view=view,
            view_key={"seed": 0},
            open=opened,
            store=ArrayStore(Cache(tmp_path / "cache", 2**30), tmp_path / "scratch", print),
            told=lambda done, total: None,
            clock=Stopwatch(),
        )

    def view(self):
        """Small shears and zooms, drawn anew each epoch."""
        from headstart.data.views import View
        from headstart.specs import AugmentationRequest

        spec = self.registry.get("augmentations", "classic")
        build = self.registry.load_target(spec, spec.build)
        return View(self.kind, build(AugmentationRequest(spec.options(), frozenset())), 0)

    def view_of(self, *names):
        """These augmentations with their default options, one after the other."""
        from headstart.data.views import Composed, View
        from headstart.specs import AugmentationRequest

        specs = [self.registry.get("augmentations", name) for name in names]
        parts = [
            self.registry.load_target(spec, spec.build)(AugmentationRequest(spec.options(), frozenset()))
            for spec in specs
        ]
        return View(self.kind, Composed(tuple(parts)), 0, mixes=any(spec.mixes for spec in specs))


@pytest.fixture(scope="session")
def apply():
    """One update of an optimizer's variables, in the form that the backend trains with."""
    import keras

    compiled = {}

    def apply(optimizer, gradients):
        gradients = [keras.ops.convert_to_tensor(gradient) for gradient in gradients]
        if keras.backend.backend() == "torch":
            from headstart.engine.torch.step import InPlaceUpdate

            InPlaceUpdate(optimizer)(gradients)
            return
        import jax

        from headstart.engine.train.optimizer import Moments

        values = [variable.value for variable in optimizer.variables]
        anchors = [anchor for anchor in optimizer.anchors if anchor is not None]
        (scale,) = optimizer.scales(np.array([optimizer.count]))
        state = Moments(values, optimizer.first, optimizer.second, optimizer.averages)
        run = compiled.setdefault(optimizer, jax.jit(optimizer.updated))
        state = Moments(*run(state, gradients, anchors, scale))
        for variable, value in zip(optimizer.variables, state.values, strict=True):
            variable.assign(value)
        optimizer.store(state, optimizer.count + 1)

    return apply


@pytest.fixture(scope="session")
def bench(small_registry):
    return Bench(small_registry)


@pytest.fixture
def network(bench):
    return bench.network()


@pytest.fixture
def training(bench, tmp_path):
    """Builds what the phases of one run share; its event log is open and has no reporters."""
    from contextlib import ExitStack

    from headstart.engine.train.checkpoints import Checkpoints
    from headstart.engine.train.context import TrainContext
    from headstart.eventlog import EventLog

    with ExitStack() as opened:

        def make(network, view=None, batch_size=8, reporters=(), **settings):
            folder = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            source = bench.source(network, folder, view)
            return TrainContext(
                network=network,
                fast=network,
                task=bench.task,
                source=source,
                targets={split: bench.targets(split) for split in ("train", "val")},
                seed=0,
                batch_size=batch_size,
                log=opened.enter_context(EventLog(folder / "events.jsonl", list(reporters), None)),
                checkpoints=Checkpoints(folder / "checkpoints"),
                **settings,
            )

        yield make

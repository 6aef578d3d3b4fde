"""Networks that transcribe: an encoder, its decoder as a head, and the task between them."""

from pathlib import Path

import numpy as np
import pytest
import sound_networks

TOKENIZER = Path(__file__).with_name("tokenizer.json")


@pytest.fixture(scope="module")
def registry():
    from headstart.registry import load_registry

    return load_registry()


@pytest.fixture(scope="module")
def transcribing(registry):
    """From a reference, options of its input kind and of the task to the network, the task and a way to rows."""

    def made(reference, seconds=None, **options):
        from headstart.engine.network.assemble import graft, load_head
        from headstart.engine.network.network import choose_features
        from headstart.specs import TaskRequest
        from headstart.weights.source import locate_assets

        given = {} if seconds is None else {"seconds": seconds}
        opened = sound_networks.sound_network(registry, reference, **given)
        spec = registry.resolve_backbone(reference)
        weights, task_spec = spec.weights[0], registry.get("tasks", "transcription/transcription")
        assets = locate_assets(spec, weights, registry)
        request = TaskRequest(task_spec.options(**options), labels=weights.head.labels, assets=assets)
        task = registry.load_target(task_spec, task_spec.build)(request)
        features = choose_features(spec.features, task_spec.features)
        network = graft(opened.kind, opened.stages[1:], features, task=task, head="decoder", seed=0)
        load_head(network, spec, weights, registry)
        return network, task, opened.kind

    return made


@pytest.fixture(scope="session")
def rows_of():
    """Rows of a recording, and their tensors as a batch."""

    def made(kind, samples):
        rows = kind.prepare_several(kind.read((samples, 16_000), "a sound"))
        return rows, {name: np.stack([row.tensors[name] for row in rows]) for name in kind.tensors}

    return made


@pytest.fixture
def small_folder(tmp_path):
    """A small model of a kind, with a tokenizer of letters."""

    def written(kind):
        from whisper_folders import write_folder

        folder = write_folder(tmp_path / kind, kind)
        (folder / "tokenizer.json").write_bytes(TOKENIZER.read_bytes())
        return folder

    return written

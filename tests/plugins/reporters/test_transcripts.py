"""What the page shows of transcripts: the worst clips with their players, and the words that go wrong."""

import json

import pytest

from headstart.events import RunFinished
from headstart.specs import Preview
from headstart_plugins.reporters import HtmlOptions
from headstart_plugins.reporters._history import History
from headstart_plugins.reporters._html import misheard, page, transcripts_of

jiwer = pytest.importorskip("jiwer", reason="scores of transcripts need the extra `speech`")

SAID = ("the cat sat on the mat", "open the <b>door</b>", "dogs", "right", "one two three four five six seven")
HEARD = ("a cat sat on the mat", "open a door", "", "right", "one two three four five six seven again")


@pytest.fixture(scope="module")
def report():
    from headstart_plugins._transcription_scores import TranscriptionScores

    scores = TranscriptionScores(form="written")
    scores.add(SAID, HEARD, [f"clips/{number}.wav" for number in range(5)])
    return json.loads(json.dumps({**scores.report(), "looped": 1}))


def shown(run, report, limit=20):
    result = json.loads((run.path / "result.json").read_text("utf-8"))
    result |= {"task": "transcription", "classes": [], "report": {"test": report}}
    return page(History(), RunFinished(time=0.0, result=result), run, options=HtmlOptions(mistakes=limit))


def test_the_worst_clips_stand_beside_what_was_said_with_a_player(run, report):
    class Sounds(type(run)):
        def preview(self, key):
            return None if key == "clips/0.wav" else Preview("audio/wav", f"RIFF {key}".encode())

        def detailed_preview(self, key):
            return Preview("image/png", b"drawn")

    written = shown(Sounds(run.path), report)
    section = written.partition('<section id="transcripts">')[2].partition("</section>")[0]
    assert section.count("<audio controls") == 3
    assert section.count('<img class="drawn"') == 3
    assert section.count("not shown") == 1
    assert "1 of 5 transcripts are right." in section
    assert "Of 1 a loop was left out." in section
    assert "open the &lt;b&gt;door&lt;/b&gt;" in section
    assert "open a door" in section
    assert "word error rate 1.000" in section
    assert report["signature"] in section
    places = [section.index(f"clips/{number}.wav</span>") for number in (2, 1, 0, 4)]  # the highest rate first
    assert places == sorted(places)
    assert "clips/3.wav" not in section
    assert shown(Sounds(run.path), report, limit=1).count("word error rate") == 1


def test_words_that_go_wrong_are_listed_with_what_was_understood(report):
    errors = jiwer.process_words(list(SAID), list(HEARD))
    found = misheard(report)
    assert sum(times for *_, times in found) == errors.substitutions + errors.deletions + errors.insertions
    assert found[0] == ("the", "a", 2)
    assert ("dogs", "", 1) in found
    assert ("", "again", 1) in found


def test_what_other_tasks_report_as_worst_is_no_transcript():
    one = {"key": "k", "reference": "b", "hypothesis": "c"}
    assert transcripts_of({"worst": [one | {"source": "a", "chrf": 1.0}]}, 5) == []
    assert [each.target for each in transcripts_of({"worst": [one | {"wer": 1.0}]}, 5)] == ["b"]

"""Accents that an engine speaks: who is on which side, and what the engine must not do."""

import csv
import hashlib
import shutil
import struct
from collections import defaultdict
from contextlib import nullcontext

import pytest

from headstart.errors import DataError, UsageError
from headstart.specs import DatasetRequest, MakeRequest
from headstart_plugins.sound_sets import ACCENTS, AccentOptions, MakeAccentsOptions, MakeOtherOptions, _accents
from headstart_plugins.sound_sets._accents import OTHERS, VOICES, build, build_other, make, make_other
from headstart_plugins.sound_sets._sentences import SIDES

pytest.importorskip("soundfile")


class Engine:
    """Called as espeak-ng is, in this process: noise that depends on what `trick` makes of voice and text alone."""

    path = "engine"

    def __init__(self, trick=lambda voice, text: voice):
        self.trick = trick

    def output(self, arguments, text=""):
        assert arguments[0] == "-v"
        noise = hashlib.sha256((self.trick(arguments[1], text) + text).encode()).digest() * 8
        form = (b"RIFF", 0x7FFFF024, b"WAVE", b"fmt ", 16, 1, 1, 22_050, 44_100, 2, 16, b"data", 0x7FFFF000)
        return struct.pack("<4sI4s4sIHHIIHH4sI", *form) + noise


def made_by(engine, folder, voices=1, on_progress=lambda done, total: None):
    """Of two sentences a side."""
    small = {side: sentences[:2] for side, sentences in SIDES.items()}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("headstart_plugins.sound_sets._accents.SIDES", small)
        patched.setattr("headstart_plugins.sound_sets._accents.program", lambda *_: nullcontext(engine))
        make(MakeRequest(folder, None, MakeAccentsOptions(voices=voices), on_progress=on_progress))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a set, and what was told of its making."""
    told = []
    folder = tmp_path_factory.mktemp("made")
    return made_by(Engine(), folder, 2, lambda done, total: told.append((done, total))), told


def test_sentences_are_on_one_side_each_and_long_enough_to_tell():
    every = [text for sentences in SIDES.values() for text in sentences]
    assert len(set(every)) == len(every) == 124
    assert all(len(text.split()) >= 5 and text[-1] in ".?" for text in every)
    assert len({voice for voices in VOICES.values() for voice in voices}) == sum(map(len, VOICES.values()))


def test_no_voice_and_no_sentence_is_on_two_sides(made):
    records = build(DatasetRequest(None, AccentOptions(), made=made[0])).items
    with (made[0] / "clips.csv").open(encoding="utf-8") as file:
        voice_of = {row["path"]: row["voice"] for row in csv.DictReader(file)}
    sides = defaultdict(set)
    for record in records:
        sides[record.group].add(record.split)
        sides[voice_of[record.key]].add(record.split)
    assert all(len(found) == 1 for found in sides.values())


def test_every_accent_has_the_same_voices_and_sentences(made):
    """Otherwise a voice, or a word, would tell the accent."""
    with (made[0] / "clips.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    said = defaultdict(set)
    for row in rows:
        said[row["accent"]].add((row["voice"], row["text"], row["split"]))
    assert set(said) == set(ACCENTS)
    assert all(said[accent] == said["en-us"] for accent in ACCENTS)
    assert len(said["en-us"]) == 2 * 2 + 2 * 2 + 2 * 3  # train in two of its voices, val and test in all of theirs


def test_making_tells_how_far_it_is(made):
    assert made[1] == [(done, 14) for done in range(1, 15)]


def test_words_can_be_what_is_learned(made):
    opened = build(DatasetRequest(None, AccentOptions(target="text", accents=("en-us",)), made=made[0]))
    assert opened.targets == "targets/text"
    assert {record.target for record in opened.items} == {text for texts in SIDES.values() for text in texts[:2]}
    assert all(record.key.startswith("en-us/") for record in opened.items)
    assert all(
        record.split is None for record in build_other(DatasetRequest(None, AccentOptions(), made=made[0])).items
    )
    with pytest.raises(DataError, match="no accent en-nz"):
        build(DatasetRequest(None, AccentOptions(accents=("en-nz",)), made=made[0]))


def test_an_engine_that_ignores_voices_in_one_accent_is_refused(tmp_path):
    """As espeak-ng 1.51 does for `en-gb`: that accent would be known by its one voice."""
    engine = Engine(lambda voice, text: voice.split("+")[0] if voice.startswith("en-us") else voice)
    with pytest.raises(UsageError, match="speaks en-us in the voices m1 and m2 alike"):
        made_by(engine, tmp_path)


def test_what_two_accents_speak_alike_is_left_out_of_all(tmp_path):
    alike, other = SIDES["train"][:2]
    engine = Engine(lambda voice, text: voice.split("+")[1] if text == alike else voice)
    options = AccentOptions(target="text")
    texts = {record.target for record in build(DatasetRequest(None, options, made=made_by(engine, tmp_path))).items}
    assert alike not in texts
    assert other in texts


def test_a_missing_engine_is_named_with_its_packages(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError) as error:
        make(MakeRequest(tmp_path, None, MakeAccentsOptions()))
    assert error.value.hint.startswith("apt-get install espeak-ng espeak-ng-data")
    with pytest.raises(UsageError, match="is no program"):
        make(MakeRequest(tmp_path, tmp_path / "nothing", MakeAccentsOptions()))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng")
def test_espeak_ng_itself_speaks_every_accent_in_every_voice(tmp_path, monkeypatch):
    monkeypatch.setattr("headstart_plugins.sound_sets._accents.SIDES", {side: SIDES[side][:1] for side in SIDES})
    make(MakeRequest(tmp_path, None, MakeAccentsOptions(voices=1)))
    assert len(build(DatasetRequest(None, AccentOptions(), made=tmp_path)).items) == 7 * (1 + 2 + 3)


@pytest.mark.parametrize(
    ("engine", "program"), [("flite", "flite"), pytest.param("festival", "text2wave", marks=pytest.mark.slow)]
)
def test_other_engines_speak_in_their_voices(tmp_path, monkeypatch, engine, program):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not on this machine")
    monkeypatch.setattr(_accents, "TEST", SIDES["test"][:1])
    make_other(MakeRequest(tmp_path, options=MakeOtherOptions(engines=(engine,))))
    records = build_other(DatasetRequest(None, AccentOptions(), made=tmp_path)).items

    assert sorted(record.target for record in records) == sorted(OTHERS[engine].values())
    assert len({record.payload.read_bytes() for record in records}) == len(OTHERS[engine])


def test_an_engine_that_is_not_there_is_named_with_its_packages(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match="text2wave of festival") as told:
        make_other(MakeRequest(tmp_path, options=MakeOtherOptions(engines=("festival",))))
    assert "festvox-kallpc16k" in told.value.hint


@pytest.mark.parametrize("engines", [(), ("espeak",), ("flite", "flite")])
def test_engines_that_nobody_knows_or_that_would_speak_twice_are_refused(engines):
    with pytest.raises(ValueError, match="expected flite, festival or both"):
        MakeOtherOptions(engines=engines)

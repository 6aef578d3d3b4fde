"""What the task makes of texts, and what a decoder carries over from another vocabulary; no backend is needed."""

import json
from dataclasses import replace

import numpy as np
import pytest

from headstart.errors import DataError, UsageError
from headstart.specs import TaskRequest, TrainingSplit
from headstart_plugins._pieces import Pieces, learned
from headstart_plugins.reporters._html import sentences_of
from headstart_plugins.translation import TranslationOptions
from headstart_plugins.translation._taking_over import take_over
from headstart_plugins.translation._task import Translation, build
from headstart_plugins.translation._vocabulary import NumberedPieces

TEXTS = ("Abrir o ficheiro 10⁵ m²", "gardar a táboa", "Abrir a fiestra agora", "pechar o ficheiro", "") * 4
SIZES = {"layers": 1, "width": 8, "heads": 2, "hidden": 8, "vocabulary": 60, "most": 16}


def training(values, folder, *, source=None, assets=None, told=None):
    folder.mkdir(parents=True, exist_ok=True)
    tell = [].append if told is None else told.append
    return TrainingSplit([None] * len(values), values, 0, folder, tell, assets or {}, source)


def fitted(folder, values=TEXTS, *, source=None, assets=None, told=None, **options):
    task = build(TaskRequest(TranslationOptions(**{**SIZES, **options}), targets=values))
    return task.fitted_ahead(training(values, folder, source=source, assets=assets, told=told))


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return fitted(tmp_path_factory.mktemp("task"))


def test_targets_end_are_padded_and_keep_their_spelling(task):
    encoded = task.encode(["Abrir o ficheiro", ""], [{"text": "Open the file"}, {}], ["a", "b"])
    rows, tokens = encoded["next"], task.tokens
    used = task.used(encoded)
    assert rows[0, used[0] - 1] == rows[1, 0] == tokens.end
    assert used[1] == 1
    assert (rows[0, used[0] :] == tokens.pad).all()
    assert task.vocabulary.decode(rows[0].tolist()) == "Abrir o ficheiro"
    assert bytes(encoded["source"][0]).rstrip(b"\0") == b"Open the file"


def test_long_targets_are_cut_and_that_is_told(task):
    long = "pechar o ficheiro " * 9
    encoded = task.encode([long], [{}], ["long"])
    assert task.used(encoded)[0] == 16
    (told,) = task.findings(["Abrir", long], [{}, {}], ["short", "long"], mixes=False)
    assert told.level == "warning"
    assert "1 of 2 targets have more than 16 pieces and are cut: long" in told.message


def test_texts_that_are_split_or_cut_are_told(task):
    facts = [{"part": 0, "parts": 3}, {"cut": True}, {"tokens": 3}]
    split, cut = task.findings(["Abrir"] * 3, facts, ["a", "b", "c"], mixes=False)
    assert (split.level, split.cases, cut.level, cut.cases) == ("warning", ("a",), "warning", ("b",))
    assert "1 of 3 texts are split" in split.message
    assert "none of them is learned" in split.message
    assert "their whole targets are learned" in cut.message


def test_targets_without_spaces_are_told_how_bleu_finds_their_words(task):
    told = [*task.findings(["保存表格", "删除此行"], [{}, {}], ["a", "b"], mixes=False)]
    assert [each.hint for each in told if "13a" in each.message] == ["--set task.tokenize=zh, in `evaluate` too"]
    chosen = replace(task, options=replace(task.options, tokenize="zh"))
    assert not any("13a" in each.message for each in chosen.findings(["保存表格"], [{}], ["a"], mixes=False))


def test_letters_that_cannot_be_answered_are_told(task):
    (told,) = task.findings(["Abrir", "ж"], [{}, {}], ["known", "strange"], mixes=False)
    assert "letters that the vocabulary does not know" in told.message
    assert told.cases == ("strange",)


def test_parts_of_a_text_have_no_target_of_their_own(task):
    facts = [{"part": place, "parts": 2} for place in range(2)]
    assert (task.used(task.encode(["Abrir"] * 2, facts, ["a", "a#1"])) == 0).all()
    with pytest.raises(DataError, match="so long that it is split"):
        task.fitted(task.encode(["Abrir"], facts[:1], ["a"]))


def test_the_parts_of_an_answer_are_joined_and_each_best_with_each_best(task):
    pieces = task.vocabulary
    ids = [pieces.encode([text])[0] for text in ("Abrir a fiestra", "gardar", "pechar", "agora")]
    rows = np.full((2, 2, 8), task.tokens.pad, np.int32)
    for row, answer, given in zip((0, 0, 1, 1), (0, 1, 0, 1), ids, strict=True):
        kept = [*given, task.tokens.end][:8]
        rows[row, answer, : len(kept)] = kept
    found = task.pool({"tokens": rows, "score": np.array([[-1.0, -2.0], [-3.0, -4.0]])}, [{}, {}])
    assert found["tokens"].shape == (1, 2, 16)
    assert found["score"].tolist() == [[-2.0, -3.0]]
    texts = [pieces.decode(each) for each in found["tokens"][0].tolist()]
    assert texts[1] == "gardar agora"
    assert texts[0].endswith(" pechar")


def test_several_answers_come_best_first_and_what_there_is_none_of_is_left_out(tmp_path):
    task = fitted(tmp_path, answers=3)
    ids, tokens = task.vocabulary.encode(["Abrir", "gardar"]), np.zeros((1, 3, 6), np.int32)
    for place, each in enumerate(ids):
        tokens[0, place, : len(each)] = each[:6]
    (answer,) = task.decode({"tokens": tokens, "score": np.array([[-0.1, -0.2, -np.inf]])}, [{}], 1)
    assert [each["score"] for each in answer["answers"]] == [-0.1, -0.2]
    assert answer["translation"] == answer["answers"][0]["translation"]
    assert [row["score"] for row in task.rows(answer)] == [-0.1, -0.2]


def test_a_child_joins_keeps_or_replaces_the_vocabulary_of_its_parent(task, tmp_path):
    other, told = ["Xardín ñandú", "Abrir o xardín"] * 4, []
    joined = fitted(tmp_path / "joined", other, source=task, told=told)
    kept = fitted(tmp_path / "kept", other, source=task, parent_vocabulary="kept")
    new = fitted(tmp_path / "new", other, source=task, parent_vocabulary="new")
    assert joined.vocabulary.pieces[: len(task.vocabulary)] == task.vocabulary.pieces
    assert "ñ" in "".join(joined.vocabulary.pieces)
    assert kept.vocabulary.pieces == task.vocabulary.pieces
    assert "ñ" not in "".join(kept.vocabulary.pieces)
    assert "²" not in "".join(new.vocabulary.pieces)
    assert any("that its targets do not have" in each.message for each in told)
    assert joined.config.layers == task.config.layers


def test_a_child_has_the_sizes_of_its_parent(task, tmp_path):
    child = fitted(tmp_path, source=task, layers=2, width=64)
    assert (child.config.layers, child.config.width) == (1, 8)


def test_pieces_that_both_know_keep_their_rows_and_a_new_one_is_the_mean_of_its_spelling(tmp_path):
    parent = learned(["ab ab ab a b", "b a"] * 5, 12, tmp_path / "parent.spm", tell=print, what="it")
    child = learned(["ab ba ab ba c", "ba"] * 5, 12, tmp_path / "child.spm", tell=print, what="it")
    random = np.random.default_rng(0)
    table, kernel = random.standard_normal((len(parent), 4)), random.standard_normal((4, 4))
    first = {"head/0/embeddings": np.full((len(child), 4), 9.0), "head/1/kernel": np.zeros((4, 4))}
    there = {"head/0/embeddings": table, "head/1/kernel": kernel}
    taken = take_over(parent, child, there, first, rows=(len(parent), len(child)))
    rows = taken.arrays["head/0/embeddings"]
    places = {piece: place for place, piece in enumerate(parent.pieces)}
    for place, piece in enumerate(child.pieces):
        if piece in places:
            assert np.array_equal(rows[place], table[places[piece]])
        elif "c" in piece:
            assert (rows[place] == 9.0).all()
        else:
            assert (rows[place] != 9.0).all()
            assert np.abs(rows[place]).max() <= np.abs(table).max()
    assert np.array_equal(taken.arrays["head/1/kernel"], kernel)
    assert set(taken.kept) == {*parent.pieces} & {*child.pieces}
    assert set(taken.added) == {*child.pieces} - {*parent.pieces}
    assert set(taken.left_out) == {*parent.pieces} - {*child.pieces}


def test_other_sizes_are_refused_with_both_shapes(tmp_path):
    pieces = learned(["ab"] * 3, 12, tmp_path / "it.spm", tell=print, what="it")
    learned_there, first = {"head/1/kernel": np.zeros((4, 4))}, {"head/1/kernel": np.zeros((4, 8))}
    with pytest.raises(DataError, match=r"has the shape \(4, 4\), this one's has \(4, 8\)"):
        take_over(pieces, pieces, learned_there, first, rows=(len(pieces), len(pieces)))


def test_a_parent_may_have_more_rows_than_pieces_and_other_ids(task, tmp_path):
    """As T5 has, whose table is filled up to a multiple of 128, and whose decoder begins with padding, id 0."""
    count, random = len(task.vocabulary), np.random.default_rng(0)
    config = replace(task.config, vocabulary=count + 9)
    parent = replace(task, config=config, tokens=replace(task.tokens, start=0, end=1, pad=0))
    learned_there = {"head/0/embeddings": random.standard_normal((count + 9, 4))}
    for how in ("kept", "joined", "new"):
        child = fitted(tmp_path / how, ["Xardín ñandú", "Abrir o xardín"] * 4, source=parent, parent_vocabulary=how)
        first = {"head/0/embeddings": np.full((child.config.vocabulary, 4), 9.0)}
        rows = child.take_over(parent, learned_there, first).arrays["head/0/embeddings"]
        places = {piece: place for place, piece in enumerate(parent.vocabulary.pieces)}
        shared = [(place, places[piece]) for place, piece in enumerate(child.vocabulary.pieces) if piece in places]
        assert len(shared) > 10
        for own, other in shared:
            assert np.array_equal(rows[own], learned_there["head/0/embeddings"][other])
        ids = (child.tokens.start, child.tokens.end, child.tokens.pad)
        if how == "new":
            pieces = child.vocabulary
            assert (child.config.vocabulary, ids) == (len(pieces), (pieces.pad, pieces.end, pieces.pad))
            assert child.tokens.banned == (pieces.pad, pieces.unknown)
        else:
            assert child.config.vocabulary == (count + 9 if how == "kept" else len(child.vocabulary))
            assert (ids, child.tokens.banned) == ((0, 1, 0), parent.tokens.banned)


def test_a_joint_vocabulary_is_that_of_the_sources(tmp_path):
    source = learned(TEXTS, 60, tmp_path / "source.spm", tell=print, what="it")
    task = fitted(tmp_path / "task", joint=True, assets={"source.spm": source.file})
    assert task.vocabulary.pieces == source.pieces
    with pytest.raises(UsageError, match=r"task\.joint needs a vocabulary of the sources"):
        fitted(tmp_path / "other", joint=True)


def test_ids_of_a_table_of_their_own_are_heeded(tmp_path):
    """Marian's ids stand in vocab.json, in another order than the model's."""
    pieces = learned(TEXTS, 60, tmp_path / "target.spm", tell=print, what="it")
    order = {piece: place for place, piece in enumerate(reversed(pieces.pieces))}
    (tmp_path / "vocab.json").write_text(json.dumps(order))
    numbered = NumberedPieces(pieces, tmp_path / "vocab.json")
    (ids,) = numbered.encode(["Abrir o ficheiro"])
    assert [numbered.pieces[each] for each in ids] == [
        pieces.pieces[each] for each in pieces.encode(["Abrir o ficheiro"])[0]
    ]
    assert numbered.decode([*ids, order["</s>"], ids[0]]) == "Abrir o ficheiro"


def test_labels_that_are_not_whole_are_refused():
    with pytest.raises(DataError, match="labels of a translation are not whole"):
        build(TaskRequest(TranslationOptions(), labels={"decoder": {"vocabulary": 3}}))


def test_a_task_that_is_not_fitted_knows_no_texts():
    with pytest.raises(DataError, match="before its vocabulary was learned"):
        Translation(TranslationOptions()).encode(["a"], [{}], ["a"])


def test_options_that_contradict_each_other_are_refused():
    for wrong, said in (
        ({"answers": 5}, "ask for as many beams"),
        ({"width": 12}, "multiple of twice"),
        ({"freeze": ("head",)}, "freeze names 'head'"),
    ):
        with pytest.raises(ValueError, match=said):
            TranslationOptions(**wrong)


def test_worst_sentences_are_shown_side_by_side_and_transcripts_are_none():
    one = {"source": "a", "reference": "b", "hypothesis": "c", "chrf": 3.0, "key": "k"}
    assert sentences_of({"worst": [one, one]}, 1) == [one]
    assert sentences_of({"worst": [{"reference": "b", "hypothesis": "c"}]}, 5) == []
    assert sentences_of({}, 5) == []


def test_pieces_are_typed(task):
    assert isinstance(task.vocabulary, Pieces)

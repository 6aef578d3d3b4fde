"""What augmentations do to tokens: words go as a whole, marks and one word of each text stay."""

import numpy as np
import pytest

from headstart.errors import PluginError
from headstart.specs import AugmentationRequest, Change, LacksChanges
from headstart_plugins.text_augmentations import DropoutOptions, MaskingOptions
from headstart_plugins.text_augmentations._build import TokenMasking, WordDropout

TEXT = "the film was playing not good not bad a b c d e"


def row(kind, payload):
    return kind.prepare(kind.read(payload, "it")).tensors


def tokens(kind, tensors):
    return [kind._tokenizer.id_to_token(each) for each in tensors["ids"][tensors["mask"]]]


def varied(kind, tensors, name, share, seed):
    return kind.transform(tensors, [Change(name, (share, seed))])


def is_part(some, whole):
    """Whether `some` are of `whole`, in its order."""
    rest = iter(whole)
    return all(each in rest for each in some)


@pytest.mark.parametrize("payload", [TEXT, (TEXT, "bad film"), "playing", "", ("", "good")])
def test_words_go_as_a_whole_and_what_stays_moves_up(make_kind, payload):
    kind = make_kind()
    tensors = row(kind, payload)
    before, marks = tokens(kind, tensors), ("[CLS]", "[SEP]")
    for seed in range(40):
        found = varied(kind, tensors, "drop_words", 0.5, seed)
        after = tokens(kind, found)
        assert is_part(after, before)
        assert [each for each in after if each in marks] == [each for each in before if each in marks]
        assert after.count("play") == after.count("##ing")
        count = len(after)
        assert found["mask"].tolist() == [place < count for place in range(32)]
        assert not found["ids"][count:].any()
        assert not found["types"][count:].any()
        second = [token for token, kind_of in zip(after, found["types"], strict=False) if kind_of]
        if isinstance(payload, tuple):
            assert is_part(second, [*payload[1].split(), "[SEP]"])


def test_one_word_of_each_text_stays_and_none_is_made_up(make_kind, sort):
    kind = make_kind(sort)
    tensors = row(kind, ("the film", "he was"))
    for name in kind.lacking().keys() ^ {"drop_words", "mask_tokens"}:
        for seed in range(20):
            found = varied(kind, tensors, name, 1.0, seed)
            real = kind._vocabulary.real(found) & (found["ids"] != kind._vocabulary.mask)
            assert real.sum() >= 1
            if sort != "gpt2":  # which has no mark between two texts
                runs = np.flatnonzero(real & ~np.concatenate([[False], real[:-1]]))
                assert len(runs) == 2


def test_masks_stand_in_the_place_of_tokens_and_nowhere_else(make_kind):
    kind = make_kind()
    tensors = row(kind, (TEXT, "bad film"))
    mask = kind._tokenizer.token_to_id("[MASK]")
    seen = np.zeros(32, bool)
    for seed in range(60):
        found = varied(kind, tensors, "mask_tokens", 0.3, seed)
        changed = found["ids"] != tensors["ids"]
        assert (found["ids"][changed] == mask).all()
        assert np.array_equal(found["mask"], tensors["mask"])
        assert np.array_equal(found["types"], tensors["types"])
        seen |= changed
    special = np.isin(tensors["ids"], [2, 3]) | ~tensors["mask"]
    assert np.array_equal(seen, ~special)  # in time each, but for marks and padding


def test_the_share_is_the_chance_of_each_word(make_kind):
    kind = make_kind(length=512)
    tensors = row(kind, " ".join("abcde" * 80))
    lengths = [varied(kind, tensors, "drop_words", 0.1, seed)["mask"].sum() for seed in range(50)]
    gone = (402 * 50 - sum(lengths)) / (400 * 50)
    assert abs(gone - 0.1) < 4 * np.sqrt(0.1 * 0.9 / (400 * 50))


def test_pieces_of_byte_level_words_go_together(make_kind):
    kind = make_kind("gpt2")
    tensors = row(kind, "xyz film film the")
    whole = {("x", "y", "z"), ("Ġf", "i", "lm"), ("Ġthe",)}
    for seed in range(30):
        left = tokens(kind, varied(kind, tensors, "drop_words", 0.5, seed))
        words = "\n".join(left).replace("\nĠ", "\n\nĠ").split("\n\n")
        assert {tuple(each.split("\n")) for each in words} <= whole


def test_what_the_weights_want_before_a_text_stays(make_kind):
    kind = make_kind(prefix="query: ")
    tensors = row(kind, TEXT)
    for name in ("drop_words", "mask_tokens"):
        for seed in range(20):
            assert tokens(kind, varied(kind, tensors, name, 1.0, seed))[:3] == ["[CLS]", "query", ":"]


def test_the_same_value_changes_the_same_words_and_never_what_is_stored(make_kind):
    kind = make_kind()
    tensors = row(kind, TEXT)
    kept = {name: array.copy() for name, array in tensors.items()}
    for name in ("drop_words", "mask_tokens"):
        first, again = (varied(kind, tensors, name, 0.4, 11) for _ in range(2))
        assert all(np.array_equal(first[each], again[each]) for each in first)
    assert all(np.array_equal(tensors[name], kept[name]) for name in kept)
    # Philox of key 11, by numpy's raw stream: its first three numbers, in 53 bits.
    numbers = [int(each) >> 11 for each in np.random.Philox(key=11).random_raw(3)]
    assert [number / 2**53 < 0.4 for number in numbers] == [
        each == "[MASK]" for each in tokens(kind, varied(kind, tensors, "mask_tokens", 0.4, 11))[1:4]
    ]


def test_masking_without_a_mask_token_is_refused(make_kind):
    kind = make_kind("gpt2")
    assert isinstance(kind, LacksChanges)
    assert list(kind.lacking()) == ["mask_tokens"]
    assert make_kind("wordpiece").lacking() == make_kind("roberta").lacking() == {}
    with pytest.raises(PluginError, match=r"mask_tokens.*no mask token"):
        varied(kind, row(kind, TEXT), "mask_tokens", 0.1, 1)


@pytest.mark.parametrize("value", [(1.5, 1), (-0.1, 1), (0.5, -1), (0.5, 2**53)])
def test_values_that_make_no_sense_are_refused(make_kind, value):
    kind = make_kind()
    with pytest.raises(PluginError, match="expected a share from 0 to 1"):
        kind.transform(row(kind, TEXT), [Change("drop_words", value)])


def test_a_preview_shows_the_varied_text(make_kind):
    kind = make_kind()
    sample = kind.read("the film was good", "it")
    shown = {kind.preview(sample, [Change("mask_tokens", (0.5, seed))]).data.decode() for seed in range(10)}
    assert any("[MASK]" in each for each in shown)
    assert not any("[CLS]" in each for each in shown)


@pytest.mark.parametrize(
    ("build", "options"), [(WordDropout, DropoutOptions), (TokenMasking, MaskingOptions)], ids=["dropout", "masking"]
)
def test_half_of_the_texts_vary_each_by_a_seed_of_its_own(build, options):
    augmentation = build(AugmentationRequest(options(), frozenset()))
    drawn = [augmentation.draw(0, 1, f"row-{number}") for number in range(2_000)]
    values = [each.changes[0].value for each in drawn if each.changes]
    assert abs(len(values) - 1_000) < 4 * np.sqrt(500)
    assert len({seed for _, seed in values}) == len(values)
    assert {share for share, _ in values} == {options().share}
    none = build(AugmentationRequest(options(share=0.0), frozenset()))
    assert not any(none.draw(0, 1, str(number)).changes for number in range(50))

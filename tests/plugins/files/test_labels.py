import pytest

from headstart.errors import DataError, UsageError
from headstart_plugins.files._labels import label_pattern, labels_in, usual_pattern


@pytest.mark.parametrize("text", ["([a-z]+)_[0-9]+", "(?P<label>[a-z]+)_([0-9]+)", "/([a-z]+)_"])
def test_the_group_label_or_the_only_group_is_the_label(text):
    assert labels_in(["a/cat_1.jpg", "b/dog_22.jpg"], label_pattern(text), "data") == ["cat", "dog"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("([a-z", "no regular expression"),
        ("[a-z]+", "has 0 groups; expected one, or one named label"),
        ("(a)(b)", "has 2 groups"),
    ],
)
def test_a_pattern_without_a_clear_group_is_refused_before_data_is_read(text, said):
    with pytest.raises(UsageError, match=said):
        label_pattern(text)


def test_names_without_a_label_are_counted_and_the_first_five_are_named():
    names = ["cat_1.jpg", *(f"{number}.jpg" for number in range(7))]
    with pytest.raises(DataError, match=r"finds no label in 7 of 8 names") as caught:
        labels_in(names, label_pattern("([a-z]+)_"), "data")
    assert [f"'{number}.jpg'" in caught.value.message for number in range(7)] == [True] * 5 + [False] * 2
    assert "and 2 more" in caught.value.message


def test_an_empty_label_is_none_and_one_with_spaces_around_it_is_shown():
    with pytest.raises(DataError, match=r"(?s)2 of 2 names.*'_1.jpg'\n.*'cat _2.jpg' \(gives 'cat '\)"):
        labels_in(["_1.jpg", "cat _2.jpg"], label_pattern("([a-z ]*)_"), "data")


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["cat.0.jpg", "cat.1.jpg", "dog.0.jpg", "dog_12.png"], ["cat", "cat", "dog", "dog"]),
        (["great_dane_1.jpg", "pug (2).jpg", "pug3.jpg"], ["great_dane", "pug", "pug"]),
        (["n02_18.JPEG", "deep/n01_1.JPEG"], ["n02", "n01"]),
        (["cat_left.jpg", "dog-right.jpg"], ["cat", "dog"]),
        (["IMG_1.jpg", "IMG_2.jpg"], None),
        (["1.jpg", "2.jpg"], None),
        (["100.jpg", "101.jpg", "200.jpg", "201.jpg"], None),
        (["cat_1.jpg", "dog_1.jpg", "3.jpg"], None),
        (["anna.jpg", "berta.jpg", "carla.jpg"], None),
    ],
)
def test_a_pattern_is_proposed_where_it_gives_every_name_a_label_that_others_share(names, labels):
    proposed = usual_pattern(names)
    if labels is None:
        assert proposed is None
    else:
        assert f"({len(set(labels))}: {', '.join(sorted(set(labels)))})" in proposed
        text = proposed.partition("label_pattern=")[2].partition('"')[0]
        assert labels_in(names, label_pattern(text), "data") == labels

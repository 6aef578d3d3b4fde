"""Files of answers have names that say of what they are, and replace nothing that we did not write."""

from pathlib import Path

import pytest

from headstart.answer_files import AnswerFiles, file_names
from headstart.errors import UsageError


class Written:
    """A task whose answers are files: WritesFiles and CollectsAnswers."""

    def files(self, answer):
        return {".txt": answer["says"]}

    def collected(self, answers):
        return {"all.txt": b"\n".join(answer["says"] for _, answer in answers)}


def named(*paths):
    return file_names([(path, Path(path)) for path in paths])


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["a/p.png", "a/q.tar.gz"], ["p", "q.tar"]),
        (["p.png", "p.jpg", "q.jpg"], ["p.png", "p.jpg", "q"]),
        (["a/p.png", "b/p.png"], ["a-p.png", "b-p.png"]),
        (["a/x/p.png", "b/x/p.png", "b/x/p.jpg"], ["a-x-p.png", "b-x-p.png", "p.jpg"]),
        (["p.png", "p.png"], ["p.png", "p.png-2"]),
        (["P.png", "p.png"], ["P.png", "p.png-2"]),
        (["/a/p.png", "/p.png"], ["a-p.png", "p.png"]),
        (["a/p.png", "b/p.png", "a-p.png.png"], ["a-p.png-2", "b-p.png", "a-p.png"]),
        (["/"], ["input"]),
    ],
)
def test_names_are_those_of_the_inputs_as_short_as_they_differ(paths, expected):
    assert named(*paths) == expected
    assert len({each.casefold() for each in expected}) == len(expected)


def test_what_is_no_file_keeps_its_whole_name():
    inputs = [("v1.2", Path("photos/p.png")), ("ndarray 0", b""), ("x" * 400, "x" * 400), ("é" * 200, b"")]
    names = file_names(inputs)
    assert names[:2] == ["v1.2", "ndarray 0"]
    assert max(len(each.encode()) for each in names) == 150


def answered(folder, says=b"yes", inputs=("p.png",)):
    files = AnswerFiles(folder, Written(), None, [(each, Path(each)) for each in inputs])
    for place in range(len(inputs)):
        files.write(place, {"says": says})
    files.write_together()
    files.close()


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".txt"}


class Held(Written):
    """Whose files hold what it says: HoldsInFiles."""

    def __init__(self):
        self.in_files = {"says": ".txt", "drawn": ".png"}

    def collected(self, answers):
        return {"all.txt": "\n".join(answer["says"] for _, answer in answers).encode()}


def test_an_answer_names_the_file_that_holds_a_part_of_it_and_keeps_all_others(tmp_path):
    files = AnswerFiles(tmp_path, Held(), None, [(each, Path(each)) for each in ("a/p.png", "b/p.png")])
    answers = [files.write(place, {"says": b"yes", "drawn": 3, "other": place}) for place in range(2)]
    assert answers == [
        {"says": "a-p.png.txt", "drawn": 3, "other": 0},  # of which it made no file
        {"says": "b-p.png.txt", "drawn": 3, "other": 1},
    ]
    files.write_together()
    assert contents(tmp_path) == {
        "a-p.png.txt": b"yes",
        "b-p.png.txt": b"yes",
        "all.txt": b"a-p.png.txt\nb-p.png.txt",
    }
    resumed = AnswerFiles(tmp_path, Held(), None, [("a/p.png", Path("a/p.png"))], goes_on=True)
    resumed.take_up([{"input": "a/p.png", "says": "a-p.png.txt"}])
    resumed.write_together()
    assert contents(tmp_path)["all.txt"] == b"a-p.png.txt"


def test_what_we_wrote_is_replaced_and_what_the_user_has_changed_is_not(tmp_path):
    answered(tmp_path)
    answered(tmp_path, b"no")
    assert contents(tmp_path) == {"p.txt": b"no", "all.txt": b"no"}
    for name in ("p.txt", "all.txt"):
        mine = tmp_path / name
        mine.write_bytes(b"mine")
        with pytest.raises(UsageError, match=f"{name} is there already"):
            answered(tmp_path, b"other")
        assert mine.read_bytes() == b"mine"
        mine.unlink()


def test_a_file_of_the_user_is_refused_before_anything_is_written(tmp_path):
    (tmp_path / "q.txt").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"q\.txt is there already"):
        answered(tmp_path, inputs=("p.png", "q.png"))
    assert contents(tmp_path) == {"q.txt": b"mine"}
    (tmp_path / "q.txt").unlink()
    (tmp_path / "all.txt").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"all\.txt is there already"):
        AnswerFiles(tmp_path, Written(), None, [("p.png", Path("p.png"))])
    (tmp_path / "all.txt").unlink()
    (tmp_path / "q.txt").symlink_to(tmp_path / "away.txt")
    with pytest.raises(UsageError, match=r"q\.txt is there already"):
        answered(tmp_path, inputs=("q.png",))


def test_answers_stand_beside_their_inputs_and_replace_none_of_them(tmp_path):
    picture = tmp_path / "p.png"
    picture.write_bytes(b"mine")
    answered(tmp_path, inputs=(str(picture),))
    assert contents(tmp_path).keys() == {"p.txt", "all.txt"}
    text = tmp_path / "q.txt"
    text.write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"q\.txt is there already"):
        answered(tmp_path, inputs=(str(text),))
    assert text.read_bytes() == b"mine"


def test_a_listing_that_is_none_is_refused(tmp_path):
    (tmp_path / ".headstart-answers.json").write_text("[]")
    with pytest.raises(UsageError, match=r"headstart-answers\.json"):
        answered(tmp_path)

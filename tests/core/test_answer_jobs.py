"""A job's answers lie in a folder as they come, and what is left of its inputs is known from them."""

import json

import pytest

from headstart.answer_jobs import ANSWERS, AnswerJob
from headstart.errors import DataError, UsageError

ASKED = {"model": "abc", "top_k": 1}
NAMES = [f"{number}.png" for number in range(10)]


def written(folder, names, bad=()):
    with AnswerJob(folder, ASKED) as job:
        for name in names:
            job.write({"input": name, "error": "no picture"} if name in bad else {"input": name, "prediction": "cat"})
    return folder / ANSWERS


def left(folder, names=NAMES, together=4):
    with AnswerJob(folder, ASKED) as job:
        found = job.left_of(names, together)
        return list(found.places), found.again


def test_a_new_job_has_everything_before_it(tmp_path):
    assert left(tmp_path / "new") == (list(range(10)), 0)


def test_answers_are_lines_of_json_in_their_order(tmp_path):
    lines = written(tmp_path, NAMES[:3]).read_text().splitlines()

    assert [json.loads(line)["input"] for line in lines] == NAMES[:3]


def test_a_stopped_job_goes_on_where_a_group_begins_that_is_computed_together(tmp_path):
    written(tmp_path, NAMES[:7])

    assert left(tmp_path) == ([4, 5, 6, 7, 8, 9], 3)
    written(tmp_path, NAMES[7:8])
    assert left(tmp_path) == ([8, 9], 0)


def test_what_cannot_be_read_is_in_no_group(tmp_path):
    """Of four that can be read the fourth is the sixth input here: 1 and 3 are no pictures."""
    written(tmp_path, NAMES[:8], bad={"1.png", "3.png"})

    assert left(tmp_path) == ([6, 7, 8, 9, 1, 3], 2)


def test_a_refusal_that_is_met_again_is_no_line_and_an_answer_in_its_place_is_one(tmp_path):
    written(tmp_path, NAMES[:8], bad={"7.png"})
    with AnswerJob(tmp_path, ASKED) as job:
        found = job.left_of(NAMES, 4)

    assert list(found.places) == [4, 5, 6, 8, 9, 7]
    assert (found.again, found.retried) == (3, 1)
    assert not found.is_written(5, {"error": "no picture"})
    assert found.is_written(5, {"prediction": "cat"})
    assert found.is_written(4, {"error": "no picture"})


def test_an_answer_behind_a_refusal_counts(tmp_path):
    written(tmp_path, NAMES, bad={"3.png"})
    written(tmp_path, ["3.png"])

    assert left(tmp_path) == ([], 0)


def test_a_line_that_was_cut_is_taken_away_and_answered_again(tmp_path):
    file = written(tmp_path, NAMES[:4])
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"input": "4.png", "predic')

    assert left(tmp_path) == ([4, 5, 6, 7, 8, 9], 0)
    assert file.read_bytes() == whole


def test_inputs_that_came_between_are_answered_and_those_that_were_answered_are_not(tmp_path):
    written(tmp_path, ["1.png", "1.png", "3.png"])

    assert left(tmp_path, ["0.png", "1.png", "2.png", "1.png", "3.png", "1.png"]) == ([0, 2, 5], 0)


def test_a_finished_job_has_nothing_left(tmp_path):
    written(tmp_path, NAMES)

    assert left(tmp_path, together=3) == ([9], 1)
    assert left(tmp_path, together=5) == ([], 0)


@pytest.mark.parametrize("asked", [{**ASKED, "model": "other"}, {**ASKED, "top_k": 2}, {"model": "abc"}])
def test_another_question_does_not_go_on_there(tmp_path, asked):
    written(tmp_path, NAMES[:2])
    with pytest.raises(UsageError, match="holds answers by another"):
        AnswerJob(tmp_path, asked)


def test_a_file_of_that_name_that_no_job_wrote_is_left_alone(tmp_path):
    (tmp_path / ANSWERS).write_text("mine\n")
    with pytest.raises(UsageError, match="no `headstart predict --jsonl` wrote it"):
        AnswerJob(tmp_path, ASKED)
    assert (tmp_path / ANSWERS).read_text() == "mine\n"


def test_a_damaged_line_is_named(tmp_path):
    file = written(tmp_path, NAMES[:2])
    file.write_bytes(file.read_bytes() + b"{}\n")
    with AnswerJob(tmp_path, ASKED) as job, pytest.raises(DataError, match="line 3"):
        job.left_of(NAMES, 4)

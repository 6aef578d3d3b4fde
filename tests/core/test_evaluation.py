"""Evaluation in one pass: predictions.csv as answers come, 0 to n rows a sample, files beside it, no outputs kept."""

import csv
import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest

from headstart.options import NoOptions
from headstart.predictor import BATCH, Answered, Predictor, Rows
from headstart.runs.evaluation import Labelled, open_predictions, score
from headstart.specs import Evaluation, Prepared, Sample, TargetRequest, TensorSpec
from headstart_plugins.classification._build import Classification
from headstart_plugins.multilabel._build import Multilabel
from headstart_plugins.multilabel._thresholds import Threshold
from headstart_plugins.regression._build import Regression
from headstart_plugins.targets._build import ClassTargets, LabelsTargets, NumberTargets

CLASSES = ("cat", "dog, big", "owl")
KEYS = ("a,b.png", "caf\udce9.png", 'q"t.png', "z.png")
LOGITS = np.array([[2.5, -1.25, 0.1], [0.3, 0.3, -4], [-100, 50, 3], [1 / 3, 2 / 3, -1 / 7]], np.float32)
VALUES = np.array([[0.1], [-1.5], [1 / 3], [2]], np.float32)
LIMITS = tuple(Threshold(limit, 1, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0) for limit in (0.5, 0.55, 0.3))
TASKS = {
    "classification": (Classification(CLASSES, temperature=1.7), {"logits": LOGITS}),
    "multilabel": (Multilabel(CLASSES, temperature=0.8, thresholds=LIMITS), {"logits": LOGITS}),
    "regression": (Regression(2020.5, 3.25), {"value": VALUES}),
}
RECORDED = {
    "classification": b'key,split,target,prediction,confidence,p:cat,"p:dog, big",p:owl\n'
    b'"a,b.png",val,cat,cat,0.73862547,0.73862547,0.081362024,0.1800125\n'
    b"caf\xe9.png,test,owl,cat,0.48083723,0.48083723,0.48083723,0.03832556\n"
    b'"q""t.png",test,"dog, big","dog, big",1.0,4.785185e-39,1.0,9.840902e-13\n'
    b'z.png,test,cat,"dog, big",0.40931723,0.33643737,0.40931723,0.2542454\n',
    "multilabel": b'key,split,target,prediction,p:cat,"p:dog, big",p:owl\n'
    b'"a,b.png",val,cat|owl,cat|owl,0.95791227,0.17328821,0.53120935\n'
    b'caf\xe9.png,test,,"cat|dog, big",0.5926666,0.5926666,0.006692851\n'
    b'"q""t.png",test,owl,"dog, big|owl",0.0,1.0,0.97702265\n'
    b'z.png,test,cat,"cat|dog, big|owl",0.60268533,0.6970593,0.4554754\n',
    "regression": b"key,split,target,prediction\n"
    b'"a,b.png",val,2021,2020.825\n'
    b"caf\xe9.png,test,1999.5,2015.625\n"
    b'"q""t.png",test,-3e2,2021.5833334\n'
    b"z.png,test,7,2027.0\n",
}
"""Written from whole arrays, before evaluation streamed."""
WORDS = {
    "classification": ("cat", "owl", "dog, big", "cat"),
    "multilabel": ("cat|owl", "", "owl", "cat"),
    "regression": ("2021", "1999.5", "-3e2", "7"),
}


TEXTS = TargetRequest(NoOptions())
KINDS = {
    "classification": ClassTargets(TEXTS),
    "multilabel": LabelsTargets(TEXTS),
    "regression": NumberTargets(TEXTS),
}


def labelled(split, keys, words, kind=KINDS["classification"]):
    return Labelled(split, tuple(keys), tuple(keys), tuple(words), kind)


def answered(outputs, rows):
    count = rows.stop - rows.start
    picked = {name: array[rows] for name, array in outputs.items()}
    return Answered(picked, ({},) * count, ((),) * count, Rows([Prepared({})] * count, picked, np.arange(count)))


@pytest.mark.parametrize("name", TASKS)
def test_predictions_are_the_recorded_bytes_whatever_the_batches(name, tmp_path):
    (task, outputs), words = TASKS[name], WORDS[name]
    with open_predictions(tmp_path / "predictions.csv", task) as table:
        table.write(labelled("val", KEYS[:1], words[:1], KINDS[name]), slice(0, 1), answered(outputs, slice(0, 1)))
        test = labelled("test", KEYS[1:], words[1:], KINDS[name])
        table.write(test, slice(0, 1), answered(outputs, slice(1, 2)))
        table.write(test, slice(1, 3), answered(outputs, slice(2, 4)))
    assert (tmp_path / "predictions.csv").read_bytes() == RECORDED[name]
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.csv"]


@dataclass(frozen=True)
class Spots:
    """A task with as many rows, and a file, for each sample as its answer has spots."""

    columns: tuple[str, ...] = ("place", "size")

    def decode(self, outputs, facts, top_k):
        return [{"spots": [(place, size) for place, size in enumerate(row) if size > 0]} for row in outputs["sizes"]]

    def rows(self, answer):
        return [{"place": place, "size": float(size)} for place, size in answer["spots"]]

    def files(self, answer):
        return {".txt": str(len(answer["spots"])).encode()} if answer["spots"] else {}


SIZES = np.array([[0, 2, 0.5], [0, 0, 0], [1, 0, 0]], np.float32)


def test_a_sample_has_as_many_rows_as_its_task_gives_and_files_beside_them(tmp_path):
    with open_predictions(tmp_path / "predictions.csv", Spots()) as table:
        table.write(labelled("test", ("a/b", "c", "d"), "xyz"), slice(0, 3), answered({"sizes": SIZES}, slice(0, 3)))
    rows = list(csv.reader((tmp_path / "predictions.csv").open()))
    assert rows == [
        ["key", "split", "target", "place", "size"],
        ["a/b", "test", "x", "1", "2.0"],
        ["a/b", "test", "x", "2", "0.5"],
        ["d", "test", "z", "0", "1.0"],
    ]
    files = {path for path in (tmp_path / "predictions").rglob("*") if path.is_file()}
    assert {path.relative_to(tmp_path / "predictions").as_posix() for path in files} == {"a/b.txt", "d.txt"}
    assert (tmp_path / "predictions" / "a" / "b.txt").read_text() == "2"


def test_files_of_keys_that_lead_out_of_the_folder_are_in_it(tmp_path):
    """As those of tables do, whose paths are absolute, or climb from where the table lies."""
    folder = tmp_path / "run"
    folder.mkdir()
    keys = ("../../up", f"{tmp_path}/up", "a/../../up")
    with open_predictions(folder / "predictions.csv", Spots()) as table:
        sizes = {"sizes": np.ones((3, 3), np.float32)}
        table.write(labelled("test", keys, "xyz"), slice(0, 3), answered(sizes, slice(0, 3)))
    found = {path.relative_to(folder).as_posix() for path in tmp_path.rglob("*.txt")}
    up = "%2E%2E"
    assert found == {
        f"predictions/{up}/{up}/up.txt",
        f"predictions/%2F{tmp_path}/up.txt",
        f"predictions/a/{up}/{up}/up.txt",
    }


class Pages:
    """An input kind whose payloads are numbers, and a network that answers each with a large page full of it."""

    tensors = {"number": TensorSpec((), "float32")}

    def read(self, payload, where):
        return Sample(float(payload))

    def prepare(self, sample):
        return Prepared({"number": np.float32(sample.value)})


SIDE = 200


def pages(batch):
    return {"page": np.broadcast_to(batch["number"][:, None, None], (BATCH, SIDE, SIDE)).copy()}


class Sums:
    """What a task with large outputs keeps of them: a sum."""

    def __init__(self):
        self.total, self.count = 0.0, 0

    def update(self, targets, outputs, facts, losses):
        assert len(targets["number"]) == len(outputs["page"]) == len(facts) == len(losses)
        self.total += float(outputs["page"].mean(axis=(1, 2), dtype=np.float64).sum())
        self.count += len(losses)

    def metrics(self):
        return {"mean": self.total / self.count}

    def result(self):
        return Evaluation(self.metrics())


class Read:
    """A task that reads a page as the number it is full of."""

    columns = ("number",)

    def encode(self, values, facts, keys):
        return {"number": np.array(values, np.float32)}

    def loss(self, targets, outputs, *, training):
        import keras

        assert not training
        return keras.ops.square(outputs["page"][:, 0, 0] - targets["number"])

    def evaluator(self, *, running=False):
        return Sums()

    def decode(self, outputs, facts, top_k):
        return [{"number": float(page[0, 0])} for page in outputs["page"]]

    def rows(self, answer):
        return [answer]


class Told(Sums):
    """Sees the truth of a record at a time: as long a line as its number says, beside the encoded number."""

    def update(self, targets, outputs, facts, losses):
        super().update({"number": targets["number"]}, outputs, facts, losses)
        assert targets["line"].shape == (1, int(targets["number"][0]) + 1)
        assert facts[0]["key"] == str(int(targets["number"][0]))
        self.seen = [*getattr(self, "seen", []), float(targets["line"][0, -1])]

    def metrics(self):
        return {**super().metrics(), "lines": float(sum(self.seen)), "longest": float(len(self.seen))}


class ReadWhole(Read):
    """The same, whose targets are coarser than what its records say."""

    def truth(self, value, facts, key):
        return {"line": np.full((1, int(value) + 1), value)}

    def evaluator(self, *, running=False):
        return Told()


def evaluated(count, path, task=None):
    """Scores of `count` pages answered with their own number where half a unit more was right."""
    predictor, numbers, heard = Predictor(Pages(), task or Read(), pages), tuple(range(count)), []
    words = tuple(map(str, numbers))
    samples = Labelled("test", words, numbers, tuple(str(number + 0.5) for number in numbers), NumberTargets(TEXTS))
    with open_predictions(path, predictor.task) as table:
        found = score(predictor, samples, predictions=table, on_progress=lambda *told: heard.append(told))
    assert heard[-1] == (count, count)
    return found


def peak_of(call):
    """The peak of traced memory, in bytes."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.backend
def test_the_memory_of_an_evaluation_does_not_grow_with_its_outputs(tmp_path):
    count = 12 * BATCH - 5
    found = evaluated(count, tmp_path / "many.csv")  # compiles and imports, too
    few = peak_of(lambda: evaluated(4 * BATCH, tmp_path / "few.csv"))
    many = peak_of(lambda: evaluated(count, tmp_path / "many.csv"))
    page = BATCH * SIDE * SIDE * 4
    assert page < few  # so that outputs are seen at all
    assert many < few + page
    assert found.metrics["loss"] == pytest.approx(0.25)
    assert found.metrics["mean"] == pytest.approx((count - 1) / 2)
    rows = list(csv.DictReader((tmp_path / "many.csv").open()))
    assert [float(row["number"]) for row in rows] == list(range(count))


@pytest.mark.backend
def test_a_record_is_scored_against_all_of_its_truth_where_its_task_keeps_that(tmp_path):
    """Lines of any length, which no batch could hold; the loss is that of the encoded targets."""
    count = BATCH + 3
    found = evaluated(count, tmp_path / "kept.csv", ReadWhole())
    assert found.metrics["lines"] == pytest.approx(sum(number + 0.5 for number in range(count)))
    assert found.metrics["longest"] == count
    assert found.metrics["loss"] == pytest.approx(0.25)
    assert (tmp_path / "kept.csv").read_bytes() == written_by(evaluated, count, tmp_path / "plain.csv")


def written_by(write, count, path):
    write(count, path)
    return path.read_bytes()


class SeveralRows(Pages):
    """Each payload makes two rows."""

    def prepare_several(self, sample):
        return [Prepared({"number": np.float32(sample.value + offset)}) for offset in (-1, 1)]


@pytest.mark.backend
def test_of_a_record_of_several_rows_there_is_one_truth(tmp_path):
    task = ReadWhole()
    predictor = Predictor(SeveralRows(), task, pages)
    words = tuple(map(str, range(BATCH // 2 + 4)))
    samples = Labelled("test", words, tuple(range(len(words))), words, NumberTargets(TEXTS))
    found = score(predictor, samples)
    assert found.metrics["longest"] == len(words)
    assert found.metrics["mean"] == pytest.approx((len(words) - 1) / 2)

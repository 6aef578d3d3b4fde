"""Tasks: each bug turns red what asserts it, for that reason, and nothing else."""

import numpy as np
import pytest

from headstart.specs import Sample, TensorSpec
from headstart.testing import TaskAnswered, TaskContract, TaskDeclared, TaskEncoded

from .planting import assert_fails_only, changed, failures, named

SLOW_ON_JAX = True

PLUGIN = """
from headstart.hookspecs import hookimpl
from headstart.specs import TaskSpec

@hookimpl
def register_tasks():
    return [TaskSpec(
        name="planted/it", summary="Spells a number.", build="planted_build:Spells", features=("tokens",),
        targets="targets/number", heads=("letters",),
    )]
"""

BUILD = '''
from dataclasses import dataclass, field, replace

import numpy as np

from headstart.specs import Evaluation, Search, TakenOver, TensorSpec

MOST, END, START = 3, 5, 6
"""Tokens are 0 to 4, then the end, the start."""


@dataclass(frozen=True)
class Spells:
    """A number n is answered with n times the token 1, a token at a time; knows the largest n."""

    request: object = None
    largest: int = 0
    scale: float = 1.0

    primary_metric = "right"
    higher_is_better = True
    columns = ("number", "score")
    targets = {"letters": TensorSpec((MOST,), "int32"), "weight": TensorSpec((), "float32")}
    search = Search(start=START, end=END, pad=0, most=MOST)

    def __post_init__(self):
        stored = self.request.labels
        if stored is not None and not self.largest:
            object.__setattr__(self, "largest", stored["largest"])
            object.__setattr__(self, "scale", stored["scale"])

    def labels(self):
        return {"largest": self.largest, "scale": self.scale}

    def summary(self):
        return {"largest": self.largest}

    def fitted(self, targets):
        return replace(self, largest=int((targets["letters"] == 1).sum(axis=1).max()))

    def sampling_weights(self, targets):
        return np.ones(len(targets["weight"]))

    def encode(self, values, facts, keys):
        letters = np.full((len(values), MOST), END, np.int32)
        for row, value in enumerate(values):
            letters[row, : min(int(value), MOST)] = 1
        return {"letters": letters, "weight": np.ones(len(values), np.float32)}

    def head(self, name, features, seed):
        import keras

        draw = keras.initializers.GlorotUniform(seed)
        tokens = keras.Input(features["tokens"][1:], name="tokens")
        mask = keras.Input(features["tokens.mask"][1:], name="tokens.mask", dtype="bool")
        fed = keras.Input((MOST,), name="fed", dtype="int32")
        pooled = keras.layers.GlobalAveragePooling1D()(tokens, mask=mask)
        seen = keras.layers.Embedding(7, 4, embeddings_initializer=draw)(fed)
        hidden = keras.layers.Concatenate()([seen, keras.layers.RepeatVector(MOST)(pooled)])
        logits = keras.layers.Dense(6, kernel_initializer=draw)(hidden)
        return keras.Model({"tokens": tokens, "tokens.mask": mask, "fed": fed}, {"logits": logits})

    def head_inputs(self, targets):
        from keras import ops

        letters = targets["letters"]
        return {"fed": ops.concatenate([ops.full_like(letters[:, :1], START), letters[:, :-1]], axis=1)}

    def start(self, head, features):
        return dict(features)

    def step(self, head, state, last, position):
        from keras import ops

        fed = ops.repeat(last[:, None], MOST, axis=1)
        return state, head({**state, "fed": fed}, training=False)["logits"][:, 0]

    def loss(self, targets, outputs, *, training):
        from keras import ops

        losses = ops.sparse_categorical_crossentropy(targets["letters"], outputs["logits"], from_logits=True)
        return ops.mean(losses, axis=1) * targets["weight"]

    def likeness(self, targets):
        from keras import ops

        letters = targets["letters"]
        same = ops.equal(letters[:, None], letters[None])
        return ops.average(ops.cast(same, "float32"), axis=2)

    def mix(self, targets, partners, shares):
        return {"letters": targets["letters"], "weight": targets["weight"] * shares}

    def evaluator(self, *, running=False):
        return Right()

    def baseline(self, train, test):
        return {"nothing_right": 0.0}

    def decode(self, outputs, facts, top_k):
        counts = (outputs["tokens"] == 1).sum(axis=1)
        return [{"number": int(n), "score": float(s) * self.scale} for n, s in zip(counts, outputs["score"])]

    def rows(self, answer):
        yield dict(answer)

    in_files = {"number": ".txt"}

    def files(self, answer):
        return {".txt": str(answer["number"]).encode()}

    def pool(self, outputs, facts):
        return {name: array[:1] for name, array in outputs.items()}

    def take_over(self, other, learned, first):
        return TakenOver(dict(learned), kept=("number",))

    def calibrator(self):
        return Scale()

    def calibrated(self, found):
        return replace(self, scale=found["scale"])


class Scale:
    def update(self, targets, outputs):
        self.scale = 2.0

    def found(self):
        return {"scale": self.scale}

    def lacking(self):
        return None


@dataclass
class Right:
    sums: np.ndarray = field(default_factory=lambda: np.zeros(2))

    def update(self, targets, outputs, facts, losses):
        self.sums += [(targets["letters"] == outputs["tokens"]).all(axis=1).sum() + losses.sum(), len(losses)]

    def merge(self, other):
        self.sums += other.sums

    def metrics(self):
        return {"right": float(self.sums[0] / self.sums[1])}

    def resampled(self):
        return {"right": np.full(7, self.metrics()["right"])}

    def result(self):
        return Evaluation(self.metrics(), {"right": (0.0, 1.0)}, {"rows": int(self.sums[1])})

    def state(self):
        return {"sums": self.sums.copy()}

    def restore(self, state):
        self.sums = state["sums"]
'''

SAYS = "test_it_says_what_it_is"
ENCODES = "test_encoded_targets_are_what_it_declares"
AGAIN = "test_it_is_built_again_from_its_labels"
BASELINE = "test_its_baseline_is_finite"
OFFERS = "test_what_it_offers_for_training_is_sound"
JOINED = "test_joined_targets_are_those_of_whole_rows"

ENCODED_BUGS = {
    # name: ((old, new) in the build module, {test that must fail: why})
    "another dtype": (("END, np.int32", "END, np.int64"), {ENCODES: "type int64, not .* int32"}),
    "a row that depends on the others": (
        ("np.ones(len(values), np.float32)}", "np.full(len(values), len(values), np.float32)}"),
        {ENCODES: "encoded alone, record 0 has other targets"},
    ),
    "labels that lack something": (('{"largest": self.largest, "scale": self.scale}', '{"largest": 0, "scale": 1.0}'), {
        AGAIN: r"its summary are \{'largest': 0\}, not \{'largest': 3\}"
    }),
    "a column that is there already": (('columns = ("number"', 'columns = ("key", "number"'), {SAYS: "columns are"}),
    "a baseline of nothing": (('"nothing_right": 0.0', '"nothing_right": float("nan")'), {BASELINE: "nothing_right"}),
    "no weights": (("return np.ones(len(targets", "return np.zeros(len(targets"), {OFFERS: "sampling_weights gives"}),
}  # fmt: skip

JOIN = """
    def findings(self, values, facts, keys, *, mixes):
        return [Finding("note", f"the largest is {max(values)}", hint=keys[0])]

    def join(self, targets, partners, mixes):
        made = {name: array.copy() for name, array in targets.items()}
        for row, steps in enumerate(mixes):
            for step, partner in zip(steps, partners):
                made["letters"][row] = np.minimum(made["letters"][row], partner["letters"][row])
                made["weight"][row] *= step.share
        return made

    def evaluator("""
JOINS = [("\n    def evaluator(", JOIN), ("import Evaluation, Search", "import Evaluation, Finding, Search")]
"""Edits that give the planted task a JoinsTargets and a TellsOfTargets."""
MIX_GONE = ("    def mix(", "    def mixed(")

JOINED_BUGS = {
    "targets that are written into": (
        ("made = {name: array.copy() for name, array in targets.items()}", "made = targets"),
        {JOINED: "join writes into the targets that it is given"},
    ),
    "another form": (
        ("        return made\n", '        return {**made, "weight": made["weight"].astype("float64")}\n'),
        {JOINED: "joined, 'weight' has the shape .* and type float64, not .* float32"},
    ),
    "rows without a mix that are joined": (
        ("        for row, steps", '        made["weight"] *= 0.5\n        for row, steps'),
        {JOINED: "record 1 is not mixed, and has other targets"},
    ),
    "rows that depend on the others": (
        ('made["weight"][row] *= step.share', 'made["weight"][row] *= step.share / len(mixes)'),
        {JOINED: "joined alone, record 0 has other targets"},
    ),
    "partners that are left out": (
        ("for step, partner in zip(steps, partners)", "for step, partner in []"),
        {JOINED: "mixed with others, no record has other targets. Join those of the partners"},
    ),
    "an error among what is told": (('Finding("note"', 'Finding("error"'), {OFFERS: "findings gives .*raise what is"}),
}


HEADS = "test_each_head_gives_finite_outputs"
LOSS = "test_its_loss_is_one_number_a_row"
ALONE = "test_the_loss_of_a_row_does_not_depend_on_the_others"
MIXED = "test_mixed_with_nothing_a_row_keeps_its_loss"
ALIKE = "test_how_alike_targets_are_is_from_0_to_1"
CUTS = "test_any_cut_into_batches_gives_the_same_scores"
RESULT = "test_its_result_is_an_evaluation"
RUNNING = "test_a_running_evaluator_has_a_size_that_does_not_grow"
ANSWERS = "test_each_row_has_one_answer_with_its_columns"
ARTEFACT = "test_the_task_of_an_artefact_answers_the_same"
POOLED = "test_pooled_rows_are_one_row"
TAKEN = "test_a_head_that_goes_on_from_one_of_its_own_labels_is_that_head"

ANSWERED_BUGS = {
    "a loss of the batch": (
        ("ops.mean(losses, axis=1) * targets", "ops.mean(losses, axis=1) + ops.mean(losses) * targets"),
        {ALONE: "the loss of record 0 is"},
    ),
    "a mean of all": (
        ("        return ops.mean(", "        if training:\n            return losses\n        return ops.mean("),
        {LOSS: r"the loss has the shape \(12, 3\)"},
    ),
    "a loss that is not finite": (
        ('targets["weight"]\n', 'targets["weight"] * (float("inf") if training else 1.0)\n'),
        {LOSS: "a loss is not finite"},
    ),
    "targets mixed though the share is 1": (('"] * shares', '"] * shares / 2'), {MIXED: "a share of 1"}),
    "a likeness above 1": (('"float32"), axis=2)', '"float32"), axis=2) * 2'), {ALIKE: "not all 0 to 1"}),
    "a likeness one way": (
        ('"float32"), axis=2)', '"float32"), axis=2) * letters[:, :1] / 5'),
        {ALIKE: "the other way round, the likeness of targets"},
    ),
    "an average of batches": (
        ("losses.sum(), len(losses)]", "losses.mean(), len(losses)]"),
        {CUTS: "row by row, right is .* and of one batch"},
    ),
    "a merge that forgets": (("self.sums += other.sums", "pass"), {CUTS: "merged of two, right is"}),
    "a result of its own": (("Evaluation(self.metrics(),", 'Evaluation({"right": 9.0},'), {RESULT: "right is 9"}),
    "an interval backwards": (("(0.0, 1.0)}", "(1.0, 0.0)}"), {RESULT: "do not run from low to high"}),
    "resamples of another name": (('{"right": np.full', '{"left": np.full'), {RESULT: "gives left, no metric"}),
    "resamples that are infinite": (("np.full(7, ", "np.full(7, np.inf * "), {RESULT: "that are infinite"}),
    "resamples that depend on batches": (
        ("np.full(7, ", "np.multiply(np.random.random(7), "),
        {CUTS: "row by row, resamples of right are others"},
    ),
    "a state that grows": (
        ('return {"sums": self.sums.copy()}', 'return {"sums": self.sums.copy(), "more": np.zeros(int(self.sums[1]))}'),
        {RUNNING: "its state takes .* bytes as rows come"},
    ),
    "a state that forgets": (('self.sums = state["sums"]', "pass"), {RUNNING: "restored from its state, right is"}),
    "an answer too few": (("zip(counts, outputs", "zip(counts[1:], outputs"), {
        ANSWERS: "decode gives 11 answers for 12 rows", ARTEFACT: "decode gives 11", POOLED: "it has no answer"
    }),
    "a column that is not filled": (
        ("yield dict(answer)", 'yield {"number": answer["number"]}'),
        {ANSWERS: "a row has .'number'."},
    ),
    "a file without a suffix": (('{".txt"', '{"txt"'), {ANSWERS: r"files gives \['txt'\]"}),
    "a part in a file that is not written": (
        ('"number": ".txt"', '"number": ".png"'),
        {ANSWERS: r"in_files names files for \['number'\] that `files` does not give"},
    ),
    "a calibration that is lost": (
        ('largest, "scale": self.scale}', 'largest, "scale": 1.0}'), {ARTEFACT: "its labels, it answers otherwise"}
    ),
    "a calibrator that says no whole sentence of what it lacks": (
        ("        return None\n\n\n@dataclass", "        return 2\n\n\n@dataclass"), {ARTEFACT: r"lacking\(\) is 2"}
    ),
    "a head that is not taken over": (
        ("dict(learned), kept", "dict(first), kept"), {TAKEN: "are not what was learned"}
    ),
    "a head of which nothing is kept": (('kept=("number",)', "kept=()"), {TAKEN: "nothing is kept"}),
    "a head that adds what is there": (('("number",))', '("number",), added=("x",))'), {TAKEN: "adds and leaves out"}),
    "rows that are not pooled": (("array[:1] for name", "array for name"), {POOLED: "have other than one row"}),
    "a head that takes what nobody gives": (
        ('"fed": fed}, {"logits"', '"food": fed}, {"logits"'), dict.fromkeys(
            (HEADS, LOSS, ALONE, MIXED), r"its head takes \['food'\]"
        ) | dict.fromkeys(
            (CUTS, RESULT, RUNNING, ANSWERS, ARTEFACT, POOLED), "generating an answer raises"),
    ),
    "a step that raises": (('["logits"][:, 0]', '["letters"][:, 0]'), dict.fromkeys(
        (CUTS, RESULT, RUNNING, ANSWERS, ARTEFACT, POOLED), "generating an answer raises KeyError"
    )),
}  # fmt: skip


def plant(garden, edit=None):
    garden.plant(PLUGIN, planted_build=changed(BUILD, *[edit] * (edit is not None)))


@pytest.mark.backend
def test_a_sound_task_passes(garden):
    plant(garden)
    assert failures(named(TaskContract)) == {}


@pytest.mark.parametrize("bug", ENCODED_BUGS)
def test_a_bug_in_what_a_task_encodes_is_told_by_what_asserts_it(garden, bug):
    edit, expected = ENCODED_BUGS[bug]
    plant(garden, edit)
    assert_fails_only(named(TaskEncoded), expected)


def plant_joining(garden, *edits):
    garden.plant(PLUGIN, planted_build=changed(BUILD, *JOINS, MIX_GONE, *edits))


def test_a_sound_task_that_joins_targets_passes(garden):
    plant_joining(garden)
    assert failures(named(TaskEncoded)) == {}


@pytest.mark.parametrize("bug", JOINED_BUGS)
def test_a_bug_in_joining_targets_is_told_by_what_asserts_it(garden, bug):
    edit, expected = JOINED_BUGS[bug]
    plant_joining(garden, edit)
    assert_fails_only(named(TaskEncoded), expected)


DRAWN = "test_answers_are_drawn_on_their_sample"
DRAW = """
    def drawn(self, answer, sample):
        picture = sample.value.copy()
        picture[: answer["number"]] = 1
        return {".bin": picture.tobytes()}

    def evaluator("""
DRAWN_BUGS = {
    "a drawing without a suffix": (('{".bin"', '{"bin"'), r"drawn gives \['bin'\]. Give bytes by suffix"),
    "a drawing of nothing": (('return {".bin": picture.tobytes()}', "return {}"), "drawn gives nothing"),
    "a drawing that is no file": (("picture.tobytes()", "picture.tolist()"), r"drawn gives \['.bin'\]"),
    "a drawing of chance": (("picture.tobytes()", "np.random.bytes(8)"), "drawn twice, an answer gives other bytes"),
    "a sample that is drawn into": (("sample.value.copy()", "sample.value"), "drawing writes into the sample"),
    "a drawing that fails": (('answer["number"]', 'answer["sum"]'), "drawing an answer raises KeyError: 'sum'"),
}


def plant_drawing(garden, *edits):
    garden.plant(PLUGIN, planted_build=changed(BUILD, ("\n    def evaluator(", DRAW), *edits))
    return named(TaskAnswered, sample=Sample(np.full(8, 2, np.uint8)))


@pytest.mark.backend
def test_a_sound_task_that_draws_its_answers_passes(garden):
    assert failures(plant_drawing(garden)) == {}


@pytest.mark.backend
@pytest.mark.parametrize("bug", DRAWN_BUGS)
def test_a_bug_in_drawing_answers_is_told(garden, bug):
    edit, pattern = DRAWN_BUGS[bug]
    contract = plant_drawing(garden, edit)
    with pytest.raises(AssertionError, match=pattern):
        getattr(contract(), DRAWN)()
    contract.teardown_class()


@pytest.mark.backend
def test_a_task_that_draws_its_answers_needs_a_sample(garden):
    plant_drawing(garden)
    with pytest.raises(AssertionError, match=r"no sample to draw answers on\. Set `sample` in TestPlanted"):
        getattr(named(TaskAnswered)(), DRAWN)()


TRUTH = "test_the_truth_of_a_record_is_scored_in_any_cut"
KEEP = """
    def truth(self, value, facts, key):
        return {"number": np.full((1, int(value) + 1), value)}

    def evaluator("""
COUNTING = (
    "    def update(self, targets, outputs, facts, losses):\n        self.sums",
    "    def update(self, targets, outputs, facts, losses):\n"
    "        self.asked = getattr(self, 'asked', 0) + targets.get('number', np.zeros(0)).size\n        self.sums",
)
"""Makes the evaluator of the planted task count what the truth holds."""
TRUTH_BUGS = {
    "two rows": (("np.full((1, int", "np.full((2, int"), "has other than one row in number"),
    "a name that is taken": (('{"number": np.full', '{"letters": np.full'), "has letters, as encoded targets do"),
    "a truth of the record before": (
        ("    def truth(self, value, facts, key):", "    def truth(self, value, facts, key, seen=[0.0]):\n"
         "        value, seen[0] = seen[0], value"),
        "asked in another order, the truth of record 11 is another one",
    ),
    "a truth that fails": (('"number": np.full', '"number": facts["side"] * np.full'), "the truth of record 0 raises"),
    "a merge that forgets the truth": (
        ('{"right": float(self.sums[0] / self.sums[1])}', '{"right": float(self.asked)}'), "merged of two, against"
    ),
}  # fmt: skip


def plant_keeping(garden, *edits):
    garden.plant(PLUGIN, planted_build=changed(BUILD, ("\n    def evaluator(", KEEP), COUNTING, *edits))
    return named(TaskAnswered)


@pytest.mark.backend
def test_a_sound_task_that_keeps_its_truth_passes(garden):
    assert failures(plant_keeping(garden)) == {}


@pytest.mark.backend
@pytest.mark.parametrize("bug", TRUTH_BUGS)
def test_a_bug_in_the_truth_is_told(garden, bug):
    edit, pattern = TRUTH_BUGS[bug]
    contract = plant_keeping(garden, edit)
    with pytest.raises(AssertionError, match=pattern):
        getattr(contract(), TRUTH)()
    contract.teardown_class()


WIDE = [
    (
        'targets = {"letters": TensorSpec((MOST,), "int32"), "weight": TensorSpec((), "float32")}',
        "targets = property(lambda self: {'letters': TensorSpec(self.request.inputs['line'].shape, 'int32'), "
        "'weight': TensorSpec((), 'float32')})",
    ),
    ("np.full((len(values), MOST)", "np.full((len(values), *self.request.inputs['line'].shape)"),
]
"""Edits that make the planted task's targets as long as the input kind's lines."""
INPUTS = {"line": TensorSpec((3,), "int32")}


def test_a_task_knows_the_tensors_of_its_input_new_and_stored(garden):
    garden.plant(PLUGIN, planted_build=changed(BUILD, *WIDE))
    assert failures(named(TaskEncoded, inputs=INPUTS)) == {}


def test_a_task_that_lacks_them_is_told_what_to_set(garden):
    garden.plant(PLUGIN, planted_build=changed(BUILD, *WIDE))
    with pytest.raises(
        AssertionError, match=r"KeyError: 'line'.*Correct `encode`, or set `facts` and `inputs` in Test"
    ):
        getattr(named(TaskEncoded)(), ENCODES)()


def test_a_task_that_forgets_them_once_it_is_stored_is_told(garden):
    forget = (
        "stored = self.request.labels\n",
        "stored = self.request.labels\n"
        "        if stored is not None:\n"
        "            longer = replace(self.request, inputs={'line': TensorSpec((4,), 'int32')})\n"
        "            object.__setattr__(self, 'request', longer)\n",
    )
    garden.plant(PLUGIN, planted_build=changed(BUILD, *WIDE, forget))
    with pytest.raises(AssertionError, match="built from its labels, it encodes otherwise"):
        getattr(named(TaskEncoded, inputs=INPUTS)(), AGAIN)()


@pytest.mark.backend
@pytest.mark.parametrize("bug", ANSWERED_BUGS)
def test_a_bug_in_what_a_task_answers_is_told_by_what_asserts_it(garden, bug):
    edit, expected = ANSWERED_BUGS[bug]
    plant(garden, edit)
    assert_fails_only(named(TaskAnswered), expected)


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (('"targets/number"', '"targets/none"'), {"test_the_kind_of_its_targets_is_installed": "no target"}),
        (('heads=("letters",)', 'heads=("a", "a")'), {"test_its_heads_and_features_are_named": "heads is"}),
        (
            ('heads=("letters",)', 'heads=("letters", "wide:3"), head_features={"wide:3": ("map@8",)}'),
            {"test_its_heads_and_features_are_named": "head_features names wide:3"},
        ),
    ],
)  # fmt: skip
def test_a_bug_in_the_spec_of_a_task_is_told(garden, edit, expected):
    garden.plant(changed(PLUGIN, edit), planted_build=BUILD)
    assert_fails_only(named(TaskDeclared), expected)


def test_a_task_whose_targets_have_no_examples_is_told_what_to_write(garden):
    plant(garden)
    (message, *_) = failures(named(TaskEncoded, targets=lambda self, folder: ())).values()
    assert "Write `targets(self, folder)` in TestPlanted" in message


@pytest.mark.backend
def test_targets_that_are_cut_too_short_are_found(monkeypatch):
    """In place of a planted plugin the built-in translation, which says that its targets use a piece less."""
    from headstart_plugins.translation._task import Translation

    sizes = {"vocabulary": 60, "most": 24, "layers": 1, "width": 16, "heads": 2, "hidden": 16, "dropout": 0.0}
    cut = "test_cut_to_what_they_use_targets_have_the_same_loss"
    contract = named(TaskAnswered, name="translation/translation", options=sizes)
    used = Translation.used
    monkeypatch.setattr(Translation, "used", lambda self, targets: used(self, targets) - 1)
    try:
        with pytest.raises(AssertionError, match="steps that it uses, the loss is"):
            getattr(contract(), cut)()
    finally:
        contract.teardown_class()

"""The task `translate`: a head that is fed its target in training, and generates."""

from dataclasses import dataclass

import numpy as np

from headstart.errors import DataError
from headstart.specs import Evaluation, Search, TensorSpec
from headstart_foreign._data import SYMBOLS, letter_of

PAD, START, END = 0, SYMBOLS, SYMBOLS + 1
VOCABULARY = SYMBOLS + 2
MOST = 12
WIDTH = 16


def build(request):
    return Translate()


class Translate:
    """Targets are "previous" and "next" (12,) int32. The head takes tokens with their mask, and "previous"."""

    primary_metric = "token_accuracy"
    higher_is_better = True
    columns = ("text", "score")
    targets = {"previous": TensorSpec((MOST,), "int32"), "next": TensorSpec((MOST,), "int32")}
    search = Search(start=START, end=END, pad=PAD, most=MOST, beams=2, banned=(PAD, START))

    def labels(self):
        return {"symbols": [letter_of(symbol) for symbol in range(1, SYMBOLS)]}

    def summary(self):
        return {}

    def encode(self, values, facts, keys):
        previous, following = (np.full((len(values), MOST), PAD, np.int32) for _ in range(2))
        for row, (text, key) in enumerate(zip(values, keys, strict=True)):
            symbols = [ord(letter) - ord("a") + 1 for letter in text.split()]
            if len(symbols) >= MOST or any(not 0 < symbol < SYMBOLS for symbol in symbols):
                raise DataError(f"{key}: {text!r} is no text of up to {MOST - 1} known symbols")
            previous[row, : len(symbols) + 1] = [START, *symbols]
            following[row, : len(symbols) + 1] = [*symbols, END]
        return {"previous": previous, "next": following}

    def head(self, name, features, seed):
        import keras
        from keras import layers, ops

        draw = keras.initializers.RandomNormal(0.0, 0.3, seed=seed)
        tokens = keras.Input(features["tokens"][1:], name="tokens")
        mask = keras.Input(features["tokens.mask"][1:], dtype="bool", name="tokens.mask")
        previous = keras.Input((MOST,), dtype="int32", name="previous")
        places = ops.cumsum(ops.ones_like(previous), axis=1) - 1
        asked = layers.add(
            [
                layers.Embedding(VOCABULARY, WIDTH, embeddings_initializer=draw)(previous),
                layers.Embedding(MOST, WIDTH, embeddings_initializer=draw)(places),
            ]
        )
        seen = layers.MultiHeadAttention(2, 8, kernel_initializer=draw)(
            asked, tokens, attention_mask=ops.expand_dims(mask, 1)
        )
        hidden = layers.Dense(32, activation="relu", kernel_initializer=draw)(layers.add([asked, seen]))
        logits = layers.Dense(VOCABULARY, kernel_initializer=draw)(hidden)
        return keras.Model({"tokens": tokens, "tokens.mask": mask, "previous": previous}, {"logits": logits})

    def head_inputs(self, targets):
        return {"previous": targets["previous"]}

    def loss(self, targets, outputs, *, training):
        from keras import ops

        counted = ops.cast(ops.not_equal(targets["next"], PAD), "float32")
        losses = ops.sparse_categorical_crossentropy(targets["next"], outputs["logits"], from_logits=True)
        return ops.sum(losses * counted, axis=1) / ops.sum(counted, axis=1)

    def start(self, head, features):
        from keras import ops

        rows = ops.shape(features["tokens"])[0]
        return {**features, "previous": ops.full((rows, MOST), PAD, dtype="int32")}

    def step(self, head, state, last, position):
        from keras import ops

        here = ops.equal(ops.arange(MOST), position)
        previous = ops.where(here[None, :], last[:, None], state["previous"])
        state = {**state, "previous": previous}
        logits = head(state, training=False)["logits"]
        return state, ops.sum(logits * ops.cast(here, logits.dtype)[None, :, None], axis=1)

    def evaluator(self, *, running=False):
        return Matches()

    def baseline(self, train, test):
        counts = np.bincount(train["next"][train["next"] != PAD], minlength=VOCABULARY)
        counted = test["next"] != PAD
        return {"commonest_token_accuracy": float((test["next"][counted] == counts.argmax()).mean())}

    def decode(self, outputs, facts, top_k):
        return [
            {"text": text_of(tokens), "score": float(score)}
            for tokens, score in zip(outputs["tokens"], outputs["score"], strict=True)
        ]

    def rows(self, answer):
        yield {name: answer[name] for name in self.columns}


def text_of(tokens):
    """The letters up to the end."""
    letters = []
    for token in tokens:
        if token in (END, PAD):
            break
        letters.append(letter_of(token))
    return " ".join(letters)


@dataclass
class Matches:
    """Right tokens of all, and where whole answers were generated, how many of them are right."""

    right: int = 0
    tokens: int = 0
    exact: int = 0
    answers: int = 0

    def update(self, targets, outputs, facts, losses):
        following = targets["next"]
        counted = following != PAD
        given = outputs["tokens"] if "tokens" in outputs else np.argmax(outputs["logits"], axis=-1)
        self.right += int(((given == following) & counted).sum())
        self.tokens += int(counted.sum())
        if "tokens" in outputs:
            same = [text_of(a) == text_of(b) for a, b in zip(given, following, strict=True)]
            self.exact += sum(same)
            self.answers += len(same)

    def merge(self, other):
        for name in ("right", "tokens", "exact", "answers"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def metrics(self):
        found = {"token_accuracy": self.right / max(self.tokens, 1)}
        return {**found, "exact_match": self.exact / self.answers} if self.answers else found

    def result(self):
        return Evaluation(self.metrics())

    def state(self):
        return {"counts": np.array([self.right, self.tokens, self.exact, self.answers])}

    def restore(self, state):
        self.right, self.tokens, self.exact, self.answers = (int(each) for each in state["counts"])

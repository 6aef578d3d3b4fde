"""Level A of backbones: weights, features and preprocessing as the spec states them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from headstart.errors import HeadstartError
from headstart.specs import RemoteFile
from headstart.testing.backbones.offer import BackboneOffer
from headstart.testing.declared import Declared
from headstart.testing.input_kinds import build_kind
from headstart.weights.digests import ALGORITHMS, UNKNOWN

AXES = ("batch", "height", "width", "time", "token", "channel")
MAP = re.compile(r"map@([1-9]\d*)")
FEATURES = "`pooled`, `tokens`, or `map@` and a stride, such as map@32"


class BackboneDeclared(BackboneOffer, Declared):
    """The spec of a backbone is complete and says what can be true."""

    def test_the_licence_of_network_and_weights_is_stated(self) -> None:
        """A user must know what may be done with each file."""
        self._require_licence(self.spec.licence, "the network")
        for weights in self.spec.weights:
            self._require_licence(weights.licence, f"the weights {weights.name!r}")
            self._require(
                weights.source.strip(),
                f"the weights {weights.name!r} do not say where they are from",
                "Fill `source`: who trained them, and on what.",
            )

    def test_sizes_and_digests_are_given_or_unknown(self) -> None:
        """Digests are those that the publisher states: an algorithm and that many hex digits, or "unknown"."""
        for weights in self.spec.weights:
            self._require(
                weights.size is None or weights.size > 0,
                f"the weights {weights.name!r} have a size of {weights.size} bytes",
                "State the size of the file, or None where the publisher does not.",
            )
            if weights.digest != UNKNOWN:
                self._require(
                    weights.algorithm in ALGORITHMS,
                    f"the weights {weights.name!r} name the digest algorithm {weights.algorithm!r}",
                    f"Use what the publisher states, one of {', '.join(ALGORITHMS)}; or set digest to {UNKNOWN!r}.",
                )
                digits = 2 * hashlib.new(weights.algorithm, usedforsecurity=False).digest_size
                self._require(
                    re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", weights.digest),
                    f"the digest of the weights {weights.name!r} is {weights.digest!r} ({len(weights.digest)} "
                    f"characters), and {weights.algorithm} has {digits} hex digits",
                    f"Copy the digest that the publisher states, or set it to {UNKNOWN!r}.",
                )

    def test_weights_have_names_of_their_own_and_a_place(self) -> None:
        """`--weights NAME` finds one set, and `weights get` knows what to fetch."""
        names = [weights.name for weights in self.spec.weights]
        for weights in self.spec.weights:
            self._require(
                weights.name.strip() and names.count(weights.name) == 1,
                f"its weights are called {names}",
                "Give each set a name of its own.",
            )
            origin = weights.origin
            if isinstance(origin, RemoteFile):
                self._require(
                    origin.url.startswith("https://") and origin.filename and "/" not in origin.filename,
                    f"the weights {weights.name!r} come from {origin}",
                    "Give an address that starts with https:// and the bare name of the file.",
                )

    def test_features_are_named_and_shaped_in_known_words(self) -> None:
        """Names and axes are those that tasks ask for; the batch comes first, channels last."""
        names = [feature.name for feature in self.spec.features]
        self._require(
            names and len(set(names)) == len(names),
            f"its features are called {names}",
            f"Offer at least one feature, each under a name of its own: {FEATURES}.",
        )
        for feature in self.spec.features:
            where, stride = f"the feature {feature.name!r}", MAP.fullmatch(feature.name)
            asked = {name for task in self.registry.specs("tasks") for name in task.features}
            self._require(
                stride or feature.name in {"pooled", "tokens", *asked},
                f"{where} is in no task's words",
                f"Call it {FEATURES}, or what an installed task asks for.",
            )
            axes = feature.axes
            self._require(
                axes and axes[0] == "batch" and axes[-1] == "channel" and set(axes) <= set(AXES),
                f"{where} has the axes {axes}",
                f"Name them in order, batch first and channel last, out of {', '.join(AXES)}.",
            )
            self._require(
                feature.channels is None or feature.channels > 0,
                f"{where} has {feature.channels} channels",
                "State the size of its channel axis, or None where only the built network knows it.",
            )
            self._require(
                stride is None or feature.stride == int(stride[1]),
                f"{where} has the stride {feature.stride}",
                "The number after map@ is the stride: input pixels per pixel of the map.",
            )

    def test_its_preprocessing_is_one_that_the_input_kind_knows(self) -> None:
        """Preprocessing belongs to the weights; the input kind reads it, so it must know every value."""
        kind = self._input_spec()
        stated = [("preprocess", self.spec.preprocess)]
        stated += [(f"preprocess of the weights {weights.name!r}", weights.preprocess) for weights in self.spec.weights]
        for where, preprocess in stated:
            try:
                build_kind(self.registry, kind, preprocess)
            except HeadstartError as exc:
                hint = f" ({exc.hint})" if exc.hint else ""
                self._fail(f"{where} is refused by {kind.name}: {exc}{hint}", "Correct the value.")

    def _targets(self) -> Iterator[tuple[str, str]]:
        yield from super()._targets()
        for weights in self.spec.weights:
            yield f"load of the weights {weights.name!r}", weights.load
            if weights.head is not None:
                yield f"load of the head of the weights {weights.name!r}", weights.head.load
            fetch: Any = getattr(weights.origin, "fetch", None)
            if fetch is not None:
                yield f"fetch of the weights {weights.name!r}", fetch

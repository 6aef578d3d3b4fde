"""The contract of backbones over every built-in one. Level A is quick for all of them, B and C for the cheap ones."""

import os

import pytest

from headstart.testing import BackboneAgrees, BackboneBuilt, BackboneDeclared

from .built_ins import built_ins, contract_of, covered

QUICK = {
    # JAX compiles each operation of each size: even a small network of a family costs a quarter of a minute there.
    "jax": ("efficientnet_lite/lite0",),
    "torch": ("efficientnet_lite/lite0", "keras_applications/mobilenetv3small", "hf_text/transformer"),
}[os.environ.get("KERAS_BACKEND", "torch")]
"""Those that are built in the quick run."""
QUICK_ON_BOTH = ("efficientnet_lite/lite0",)
"""Those that are compared between backends in the quick run."""


def marks(spec, quick):
    return () if spec.name in quick else (pytest.mark.slow,)


REQUIRES = {"keras_hub": ("keras_hub", "regex", "sentencepiece", "tokenizers")}
"""What is installed apart from headstart's extras, by plugin."""

for offer in built_ins("backbones"):
    needs = REQUIRES.get(offer.plugin, ())
    built = (pytest.mark.backend, *marks(offer, QUICK))
    for made in (
        contract_of(offer, BackboneDeclared),
        contract_of(offer, BackboneBuilt, marks=built, requires=needs),
        contract_of(offer, BackboneAgrees, marks=marks(offer, QUICK_ON_BOTH), requires=needs),
    ):
        globals()[made.__name__] = made
del made


@pytest.mark.parametrize("level", [BackboneDeclared, BackboneBuilt, BackboneAgrees])
def test_every_built_in_backbone_has_each_level(level):
    offered = {spec.name for spec in built_ins("backbones")}
    assert {"efficientnet_lite/lite0", "keras_applications/vgg16", "mobilenet_v2/imagenet"} <= offered
    assert covered(globals(), level) == offered

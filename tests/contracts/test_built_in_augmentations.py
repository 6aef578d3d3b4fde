"""The contract of augmentations over every built-in one."""

from headstart.testing import AugmentationContract

from .built_ins import built_ins, contract_of, covered, word_pieces

UNCHANGING = ("image_augmentations/none",)

for offer in built_ins("augmentations"):
    of_texts = {"assets": lambda self, folder: word_pieces(folder)} if offer.name.startswith("text_") else {}
    made = contract_of(offer, AugmentationContract, varies=offer.name not in UNCHANGING, **of_texts)
    globals()[made.__name__] = made
del made


def test_every_built_in_augmentation_has_its_contract():
    offered = {spec.name for spec in built_ins("augmentations")}
    assert set(UNCHANGING) < offered
    assert covered(globals(), AugmentationContract) == offered

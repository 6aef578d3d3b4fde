"""The contract of backbones for a folder that is opened by its path. That backends agree, test_numbers.py shows."""

import pytest

from headstart.testing import BackboneBuilt, BackboneDeclared

SLOW_ON_JAX = True


@pytest.fixture(autouse=True, scope="module")
def folder(whole_folder):
    """What the classes below are about: written once, and named by its path."""
    place = whole_folder("t5_v1_1")
    for each in (TestFolderDeclared, TestFolderBuilt):
        each.name = str(place)


class TestFolderDeclared(BackboneDeclared):
    name = "hf_seq2seq:FOLDER"
    plugin = "hf_seq2seq"


@pytest.mark.backend
class TestFolderBuilt(BackboneBuilt):
    name = "hf_seq2seq:FOLDER"
    plugin = "hf_seq2seq"

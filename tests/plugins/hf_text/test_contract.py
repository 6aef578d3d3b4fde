"""The contract of backbones for a folder that is opened by its path. That backends agree, test_numbers.py shows."""

import pytest
from text_folders import write_folder

from headstart.testing import BackboneBuilt, BackboneDeclared

SLOW_ON_JAX = True


@pytest.fixture(autouse=True, scope="module")
def folder(tmp_path_factory):
    """What the classes below are about: written once, and named by its path."""
    place = write_folder(tmp_path_factory.mktemp("contract") / "model", "modernbert")
    for each in (TestFolderDeclared, TestFolderBuilt):
        each.name = str(place)


class TestFolderDeclared(BackboneDeclared):
    name = "hf_text:FOLDER"
    plugin = "hf_text"


@pytest.mark.backend
class TestFolderBuilt(BackboneBuilt):
    name = "hf_text:FOLDER"
    plugin = "hf_text"

"""Text kinds with tokenizers that tests write."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from small_tokenizers import SORTS, preprocessing

from headstart.specs import InputRequest
from headstart_plugins.text import TextOptions
from headstart_plugins.text._build import build


@pytest.fixture
def make_kind(tmp_path_factory):
    """From the sort of a tokenizer, an option and preprocessing to the kind."""

    def make(sort="wordpiece", *, max_tokens=None, **preprocess):
        files = SORTS[sort](tmp_path_factory.mktemp("tokenizer"))
        return build(InputRequest(preprocessing(sort, **preprocess), TextOptions(max_tokens), files))

    return make


@pytest.fixture(params=SORTS)
def sort(request):
    return request.param

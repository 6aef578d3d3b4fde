"""Datasets that have to be made: once, whole or not at all, in the store or where the user says."""

import pytest

from headstart.data.made import made_folder, make_dataset, stored_folder
from headstart.errors import PluginError, UsageError
from headstart.registry import load_registry
from headstart.testing import write_distribution

PLUGIN = """
from dataclasses import dataclass

from headstart.errors import UsageError
from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import DatasetSpec

@dataclass(frozen=True)
class Pencil:
    lines: int = option(3, "How many are drawn.", low=1)

def spec(name, **changes):
    return DatasetSpec(name=name, summary="Drawn.", build="drawing:build", medium="image", takes_path=False, **changes)

@hookimpl
def register_datasets():
    makes = ("sketches", "nothing", "half")
    lined = spec("drawing/lined", make="drawing:lined", make_options=Pencil)
    spoken = spec("drawing/spoken", make="drawing:spoken", codes="a language, such as gl")
    return [spec("drawing/ready"), lined, spoken, *(spec(f"drawing/{name}", make=f"drawing:{name}") for name in makes)]

def sketches(request):
    text = "drawn" if request.source is None else request.source.read_text()
    (request.folder / "sketch.txt").write_text(text)

def lined(request):
    (request.folder / "lines.txt").write_text("line\\n" * request.options.lines)

def spoken(request):
    (request.folder / "said.txt").write_text(request.code)

def nothing(request):
    pass

def half(request):
    (request.folder / "half.txt").write_text("half")
    raise UsageError("the pencil broke")
"""


@pytest.fixture
def registry(tmp_path, monkeypatch):
    write_distribution(tmp_path / "site", "drawing", PLUGIN)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("HEADSTART_HOME", str(tmp_path / "home"))
    return load_registry()


def test_it_is_made_once_in_the_store_and_found_there(registry, tmp_path):
    spec = registry.get("datasets", "sketches")
    with pytest.raises(UsageError, match=r"^sketches is not on this machine$") as caught:
        made_folder(spec, None)
    assert caught.value.hint == "headstart datasets make sketches"

    folder, is_new = make_dataset(spec, registry)

    assert (folder, is_new) == (tmp_path / "home" / "datasets" / "drawing" / "sketches", True)
    assert made_folder(spec, None) == folder == stored_folder(spec)
    (folder / "sketch.txt").write_text("mine now")
    assert make_dataset(spec, registry) == (folder, False)
    assert (folder / "sketch.txt").read_text() == "mine now"


def test_it_is_made_from_a_file_where_the_user_says_and_named_by_the_folder(registry, tmp_path):
    spec, out = registry.get("datasets", "sketches"), tmp_path / "out"
    (tmp_path / "given.txt").write_text("given")
    assert make_dataset(spec, registry, out=out, source=tmp_path / "given.txt") == (out, True)
    assert (made_folder(spec, str(out)) / "sketch.txt").read_text() == "given"
    assert not stored_folder(spec).exists()
    with pytest.raises(UsageError, match="is there already"):
        make_dataset(spec, registry, out=out)
    with pytest.raises(UsageError, match="no such folder") as caught:
        made_folder(spec, str(tmp_path / "elsewhere"))
    assert caught.value.hint == f"headstart datasets make sketches --out {tmp_path / 'elsewhere'}"


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("half", UsageError, "the pencil broke"),
        ("nothing", PluginError, "drawing:nothing wrote nothing"),
        ("ready", UsageError, "drawing/ready needs no making"),
    ],
)
def test_what_cannot_be_made_leaves_nothing_behind(registry, name, error, said):
    spec = registry.get("datasets", name)
    with pytest.raises(error, match=said):
        make_dataset(spec, registry)
    place = stored_folder(spec).parent
    assert not place.exists() or list(place.iterdir()) == []


def test_how_it_is_made_is_said_in_its_own_options_and_never_overlooked(registry, tmp_path):
    spec = registry.get("datasets", "lined")
    folder, _ = make_dataset(spec, registry, out=tmp_path / "five", settings=("lines=5",))
    assert (folder / "lines.txt").read_text() == "line\n" * 5
    for setting, said in (
        ("lines=0", "--set lines: must be at least 1"),
        ("rows=5", "has no such option"),
        ("5", "NAME"),
    ):
        with pytest.raises(UsageError, match=said):
            make_dataset(spec, registry, settings=(setting,))
    assert (make_dataset(spec, registry)[0] / "lines.txt").read_text() == "line\n" * 3
    with pytest.raises(UsageError, match=r"lined is made already, in .*, perhaps with other settings"):
        make_dataset(spec, registry, settings=("lines=3",))


def test_one_that_is_ready_has_no_folder_of_its_own(registry):
    assert made_folder(registry.get("datasets", "ready"), None) is None


def test_data_of_a_code_is_made_and_found_apart(registry, tmp_path, monkeypatch):
    spec = registry.get("datasets", "spoken")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "es").mkdir()  # a folder of that name means nothing: paths begin with a dot
    for written in (lambda: made_folder(spec, None), lambda: make_dataset(spec, registry)):
        with pytest.raises(UsageError, match=r"^spoken needs a language, such as gl, after a colon$") as caught:
            written()
        assert caught.value.hint == "write spoken:CODE"
    with pytest.raises(UsageError, match=r"^spoken:es is not on this machine$") as caught:
        made_folder(spec, "es")
    assert caught.value.hint == "headstart datasets make spoken:es"

    folder, is_new = make_dataset(spec, registry, code="gl")

    assert (folder, is_new) == (tmp_path / "home" / "datasets" / "drawing" / "spoken" / "gl", True)
    assert (folder / "said.txt").read_text() == "gl"
    assert made_folder(spec, "gl") == folder
    assert made_folder(spec, "./es").resolve() == tmp_path / "es"
    for code in ("../gl", "/gl", "g l"):
        with pytest.raises(UsageError, match=f"after a colon, received '{code}'"):
            make_dataset(spec, registry, code=code)
    with pytest.raises(UsageError, match="sketches takes nothing after its name, received 'gl'"):
        make_dataset(registry.get("datasets", "sketches"), registry, code="gl")


def test_a_code_is_written_after_the_name_and_stays_one(registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gl").mkdir()
    found = registry.resolve_dataset("spoken:gl")
    assert (found.spec.name, found.reference) == ("drawing/spoken", "gl")
    with pytest.raises(UsageError, match="drawing/spoken needs a language, such as gl, after a colon"):
        registry.resolve_dataset("spoken")

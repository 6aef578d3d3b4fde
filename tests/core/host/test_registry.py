"""Names, paths and `KIND:REF` become specs; what cannot be told apart is an error with both spellings."""

import sys

import pytest

from headstart.errors import DataError, PluginError, UsageError
from headstart.registry import load_registry
from headstart.testing import write_distribution

HEADER = """
from headstart.hookspecs import hookimpl
from headstart.specs import BackboneSpec, DatasetSpec, InputSpec

def dataset(name, **changes):
    return DatasetSpec(**{"name": name, "summary": "Some data.", "build": "one:build", "medium": "points",
                          "takes_path": False} | changes)

def backbone(name, **changes):
    return BackboneSpec(**{"name": name, "summary": "A network.", "build": "one:build", "takes": "points",
                           "stages": ("a",), "features": (), "preprocess": {}, "licence": "MIT"} | changes)
"""

ONE = (
    HEADER
    + """
@hookimpl
def register_datasets():
    return [dataset("one/stars"), dataset("one/shared"), dataset("one/folder", takes_path=True),
            dataset("one/sky", may_take_path=True), dataset("one/maps", make="one:build")]

@hookimpl
def register_inputs():
    return [InputSpec(name="one/points", summary="Points.", build="one:build", reads=("points",), produces="points",
                      native=True),
            InputSpec(name="one/beeps", summary="Beeps.", build="one:build", reads=("beeps",), produces="points"),
            InputSpec(name="one/clicks", summary="Clicks.", build="one:build", reads=("beeps",), produces="clicks")]

@hookimpl
def register_backbones():
    return [backbone("one/net", default_for="points"), backbone("one/other")]

@hookimpl
def resolve_dataset(ref):
    return "one/folder" if ref.endswith((".one", ".both")) else None

def build(request):
    return request

def raising(what):
    from headstart.errors import DataError
    raise eval(what)

def chatty():
    print("hello")
"""
)

TWO = (
    HEADER
    + """
@hookimpl
def register_datasets():
    return [dataset("two/shared"), dataset("two/file", takes_path=True)]

@hookimpl
def resolve_dataset(ref, targets):
    if targets == "two/special" and ref.endswith(".any"):
        return "two/file"
    if ref.endswith(".raises"):
        raise RuntimeError("out of ideas")
    if ".nonsense" in ref:
        return "two/nothing"
    return "two/file" if ref.endswith(".both") else None

@hookimpl
def resolve_backbone(ref):
    if ref in ("two/made", "one/made"):
        return backbone(ref, stages=None, builder="two/net", given={})
    if ref == "two/over":
        return backbone(ref, builder="one/other", family="recurrent", given={})
    return backbone("two/opened") if ref.endswith(".net") else None

@hookimpl
def register_backbones():
    return [backbone("two/net", stages=None)]
"""
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    write_distribution(folder, "one", ONE, version="1.5")
    write_distribution(folder, "two", TWO)
    write_distribution(folder, "failed", "import not_there_at_all", version="0.9")
    return folder


@pytest.fixture
def registry(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    return load_registry(allow=["one", "two", "failed"])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_offers_come_sorted_by_name(registry):
    names = [spec.name for spec in registry.specs("datasets")]
    ones = ["one/folder", "one/maps", "one/shared", "one/sky", "one/stars"]
    assert names == [*ones, "two/file", "two/shared"]


def test_a_bare_name_is_enough_where_it_is_unique(registry):
    assert registry.get("datasets", "stars") is registry.get("datasets", "one/stars")


def test_an_ambiguous_name_shows_both(registry):
    with pytest.raises(UsageError) as caught:
        registry.get("datasets", "shared")
    assert "one/shared and two/shared" in caught.value.message


def test_an_unknown_name_suggests_near_misses(registry):
    with pytest.raises(UsageError) as caught:
        registry.get("datasets", "starz")
    assert caught.value.exit_code == 2
    assert "did you mean one/stars?" in caught.value.hint
    assert "failed" in caught.value.hint


@pytest.mark.parametrize("name", ["failed/anything", "failed"])
def test_a_name_of_a_failed_plugin_is_exit_5_with_its_version_and_error(registry, name):
    with pytest.raises(PluginError) as caught:
        registry.get("datasets", name)
    assert caught.value.exit_code == 5
    assert "headstart-failed 0.9" in caught.value.message
    assert "not_there_at_all" in caught.value.message
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_name_of_a_disabled_plugin_says_so(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    with pytest.raises(UsageError, match="plugin 'one' is disabled"):
        load_registry(disable=["one"]).get("datasets", "one/stars")


def test_provenance_names_distribution_and_version(registry):
    info = registry.provenance(registry.get("datasets", "stars"))
    assert (info.distribution, info.version) == ("headstart-one", "1.5")


def test_the_default_backbone_is_the_one_marked_for_the_medium(registry):
    assert registry.default_backbone("points").name == "one/net"


def test_a_medium_that_nothing_reads_is_told_before_a_backbone_is_missed(registry):
    with pytest.raises(UsageError, match="no installed input kind reads smells data") as caught:
        registry.default_backbone("smells")
    assert "one/points (points to points)" in caught.value.hint


def test_the_input_kind_of_a_run_reads_its_medium_and_makes_what_the_backbone_takes(registry):
    assert registry.input_kind(medium="points", takes="points").name == "one/points"
    assert registry.input_kind(medium="beeps", takes="points").name == "one/beeps"
    with pytest.raises(UsageError, match="reads points data and makes the tensors 'image' of a backbone"):
        registry.input_kind(medium="points", takes="image")


def test_of_several_input_kinds_the_native_one_is_taken_and_else_they_must_be_named(registry):
    assert registry.input_kind(takes="points").name == "one/points"
    with pytest.raises(UsageError, match=r"one/beeps and one/clicks") as caught:
        registry.input_kind(medium="beeps")
    assert "--set input.kind=one/beeps" in caught.value.hint
    assert registry.input_kind(medium="beeps", takes="points", name="beeps").name == "one/beeps"
    with pytest.raises(UsageError, match="one/clicks makes the tensors 'clicks'; the backbone takes 'points'"):
        registry.input_kind(medium="beeps", takes="points", name="clicks")


def test_a_name_a_kind_and_a_path_each_find_their_dataset(registry, here):
    (here / "a.one").write_text("")
    assert str(registry.resolve_dataset("stars")) == "one/stars"
    assert str(registry.resolve_dataset("folder:photos")) == "one/folder:photos"
    assert str(registry.resolve_dataset("a.one")) == "one/folder:a.one"
    assert str(registry.resolve_dataset("./a.one")) == "one/folder:a.one"


def test_a_path_is_opened_for_the_targets_that_are_asked_for_where_a_plugin_heeds_them(registry, here):
    """One that takes the path alone is asked as well."""
    for name in ("a.any", "a.one"):
        (here / name).write_text("")
    assert str(registry.resolve_dataset("a.any", "two/special")) == "two/file:a.any"
    assert str(registry.resolve_dataset("a.one", "two/special")) == "one/folder:a.one"
    for other in (None, "two/other"):
        with pytest.raises(UsageError, match=r"no dataset plugin recognises a\.any"):
            registry.resolve_dataset("a.any", other)


@pytest.mark.parametrize("taken", ["ref, targets", "ref, targets=None", "ref, *, targets", "ref, *, targets=None"])
def test_hooks_have_what_they_take_however_they_take_it(taken, tmp_path, here, monkeypatch):
    """Pluggy 1.7.0's `HookImpl.argnames` leaves arguments with a default out, and those by keyword alone."""
    hook = f"@hookimpl\ndef resolve_dataset({taken}):\n    return 'three/file' if targets == 'three/kind' else None"
    offered = "@hookimpl\ndef register_datasets():\n    return [dataset('three/file', takes_path=True)]"
    write_distribution(tmp_path, "three", f"{HEADER}\n{hook}\n\n{offered}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "three", raising=False)
    registry = load_registry(allow=["three"])
    (here / "a.file").write_text("")
    assert str(registry.resolve_dataset("a.file", "three/kind")) == "three/file:a.file"
    with pytest.raises(UsageError, match="no dataset plugin recognises"):
        registry.resolve_dataset("a.file", "other/kind")


def test_a_home_path_is_expanded(registry, here, monkeypatch):
    monkeypatch.setenv("HOME", str(here))
    (here / "a.one").write_text("")
    assert registry.resolve_dataset("~/a.one").reference == str(here / "a.one")
    assert registry.resolve_dataset("folder:~/a.one").reference == str(here / "a.one")


def test_a_registered_name_that_is_also_a_path_shows_both_spellings(registry, here):
    (here / "stars").mkdir()
    with pytest.raises(UsageError) as caught:
        registry.resolve_dataset("stars")
    assert "./stars" in caught.value.hint
    assert "one/stars" in caught.value.hint


def test_a_name_that_needs_a_path_shows_where_one_is_written(registry, here):
    """Unpacked data is often called as its form is, such as coco."""
    (here / "folder").mkdir()
    with pytest.raises(UsageError) as caught:
        registry.resolve_dataset("folder")
    assert caught.value.hint == "write ./folder for the path, or one/folder:PATH for the name"


def test_two_plugins_that_open_the_same_path_are_both_named(registry, here):
    (here / "a.both").write_text("")
    with pytest.raises(UsageError) as caught:
        registry.resolve_dataset("a.both")
    assert "one/folder:a.both or two/file:a.both" in caught.value.hint


@pytest.mark.parametrize("ref", ["./nothing", "/nothing/there", "nothing/there", "~nobody/x", "./nul\0"])
def test_an_absent_path_is_no_such_path(registry, here, ref):
    with pytest.raises(UsageError, match="no such path"):
        registry.resolve_dataset(ref)


def test_a_path_that_nobody_opens_shows_how_to_say_what_it_is(registry, here):
    (here / "a.unknown").write_text("")
    with pytest.raises(UsageError) as caught:
        registry.resolve_dataset("a.unknown")
    assert "KIND:a.unknown" in caught.value.hint
    assert "one/folder" in caught.value.hint


def test_a_resolver_that_raises_is_that_plugins_failure_unless_another_answers(registry, here):
    (here / "a.raises").write_text("")
    with pytest.raises(PluginError, match=r"plugin 'two' \(headstart-two 1.0\): resolve_dataset failed.*ideas"):
        registry.resolve_dataset("a.raises")


def test_a_dataset_that_needs_a_path_says_how_to_give_one(registry):
    with pytest.raises(UsageError) as caught:
        registry.resolve_dataset("folder")
    assert caught.value.hint == "write folder:PATH"


def test_a_dataset_without_path_refuses_one(registry):
    with pytest.raises(UsageError, match="opens no path, received 'photos'"):
        registry.resolve_dataset("stars:photos")


@pytest.mark.parametrize("name", ["sky", "maps"])
def test_a_dataset_that_may_take_a_path_is_opened_with_and_without(registry, name):
    assert registry.resolve_dataset(name).reference is None
    assert registry.resolve_dataset(f"{name}:photos").reference == "photos"


def test_a_backbone_can_come_from_a_path_that_a_plugin_opens(registry, here):
    (here / "my.net").write_text("")
    assert registry.resolve_backbone("my.net").name == "two/opened"
    assert registry.resolve_backbone("hub:my.net").name == "two/opened"
    assert registry.resolve_backbone("other").name == "one/other"


def test_a_build_target_is_imported_when_it_is_asked_for(registry):
    spec = registry.get("datasets", "stars")
    assert registry.load_target(spec, spec.build)("request") == "request"


@pytest.mark.parametrize("target", ["one:absent", "one.absent:build", "one:__doc__"])
def test_a_build_target_that_fails_names_plugin_and_version(registry, target):
    with pytest.raises(PluginError, match=r"plugin 'one' \(headstart-one 1.5\): one/stars"):
        registry.load_target(registry.get("datasets", "stars"), target)


@pytest.mark.parametrize("raised", ["ValueError('no')", "SystemExit('no')", "KeyError('no')"])
def test_a_build_target_that_raises_is_told_by_plugin_and_version(registry, raised):
    build = registry.load_target(registry.get("datasets", "stars"), "one:raising")
    with pytest.raises(
        PluginError, match=r"plugin 'one' \(headstart-one 1\.5\): one/stars: one:raising failed: \w+: '?no"
    ):
        build(raised)


@pytest.mark.parametrize("raised", ["DataError('row 7 is empty')", "OSError(28, 'No space left on device')"])
def test_what_a_build_target_says_to_the_user_passes(registry, raised):
    build = registry.load_target(registry.get("datasets", "stars"), "one:raising")
    with pytest.raises((DataError, OSError), match=r"row 7|No space"):
        build(raised)


def test_what_a_build_target_prints_goes_to_stderr(registry, capsys):
    registry.load_target(registry.get("datasets", "stars"), "one:chatty")()
    assert capsys.readouterr() == ("", "hello\n")


def test_an_unknown_kind_lists_the_kinds(registry):
    with pytest.raises(UsageError) as caught:
        registry.specs("backbone")
    assert "backbones" in caught.value.hint


def test_a_name_below_a_plugin_that_resolves_references_is_its_to_answer(registry):
    made = registry.resolve_backbone("two/made")

    assert (made.name, made.stages) == ("two/made", None)
    assert registry.builder_of(made).name == "two/net"
    assert registry.builder_of(registry.resolve_backbone("two/net")).name == "two/net"


def test_a_builder_may_be_a_backbone_of_another_plugin_and_a_family_any_word(registry):
    """As for sound that is read as pictures, or low-rank variants."""
    over = registry.resolve_backbone("two/over")

    assert registry.builder_of(over).name == "one/other"
    assert over.family == "recurrent"


def test_a_name_below_a_plugin_that_resolves_none_is_not_offered_to_others(registry):
    """Plugin two would answer `one/made`, but nobody can speak for another plugin."""
    with pytest.raises(UsageError, match="no backbone is named 'one/made'"):
        registry.resolve_backbone("one/made")


def test_an_answer_that_means_nothing_counts_only_where_nobody_else_answers(registry, tmp_path):
    (tmp_path / "both.nonsense.one").touch()
    (tmp_path / "only.nonsense").touch()

    assert registry.resolve_dataset(str(tmp_path / "both.nonsense.one")).spec.name == "one/folder"
    with pytest.raises(PluginError, match=r"plugin 'two' .*it answered 'two/nothing', which is no dataset's full name"):
        registry.resolve_dataset(str(tmp_path / "only.nonsense"))

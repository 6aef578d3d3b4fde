"""Metadata that something damaged after it was installed: told about by what can still be read, in no one's way."""

import json
from importlib import metadata

import pytest

JUNK = b"\x00\xff\xfe" * 40

DAMAGED = {
    "METADATA in another encoding": ("METADATA", "Name: é\n".encode("utf-16"), "its METADATA is damaged"),
    "an empty METADATA": ("METADATA", b"", "names no distribution"),
    "METADATA without a name": ("METADATA", b"Metadata-Version: 2.1\nVersion: 0.20\n", "names no distribution"),
    "a line that is no entry": (
        "entry_points.txt",
        b"[headstart]\nbroken_prints = headstart_broken_prints\n?",
        "line 3",
    ),
    "bytes that are no text": ("entry_points.txt", b"[headstart]\nbroken_prints = \xff\n", "line 2 is not UTF-8"),
    "another section": ("entry_points.txt", b"[headstart]\nbroken_prints = x\n[gui]\noops\n", "line 4, 'oops'"),
    "no module": ("entry_points.txt", b"[headstart]\nbroken_prints =\n", "expected module or module:object"),
    "a relative module": ("entry_points.txt", b"[headstart]\nbroken_prints = .x\n", "expected module or module:object"),
}


@pytest.fixture
def damaged(alone, every_kind):
    """`damaged(file, content)`: a sound plugin, `broken_prints`, one file of whose metadata now holds `content`."""

    def damaged(file, content):
        sound = every_kind["prints"]
        path = alone(sound) / sound.metadata / file
        path.unlink() if content is None else path.write_bytes(content)
        return sound

    return damaged


@pytest.mark.parametrize("kind", DAMAGED)
def test_damage_is_told_with_the_name_and_version_that_are_left(kind, damaged, ask):
    file, content, told = DAMAGED[kind]
    damaged(file, content)
    code, out, _ = ask("plugins", "--json")
    assert code == 0
    found = {each["name"]: each for each in json.loads(out)}
    broken = found.pop("broken_prints")
    assert (broken["distribution"], broken["version"]) == ("headstart-broken-prints", "0.20")
    assert told in broken["error"]
    assert [each for each in found.values() if each["error"]] == []
    assert ask("backbones", "broken_prints/net")[0] == 5


def test_a_file_in_which_no_name_can_be_read_is_told_under_the_distribution(damaged, ask):
    damaged("entry_points.txt", b"[headstart]\n????\n")
    found = {each["name"]: each for each in json.loads(ask("plugins", "--json")[1])}
    assert "line 2, '????', is not name = value" in found["headstart-broken-prints"]["error"]


@pytest.mark.parametrize("content", [JUNK, b"", b"[console_scripts]\noops\n", None])
def test_a_damaged_file_that_does_not_name_our_group_is_nobody_here(damaged, ask, content):
    damaged("entry_points.txt", content)
    code, out, _ = ask("plugins", "--json")
    assert code == 0
    assert "headstart-broken-prints" not in {each["distribution"] for each in json.loads(out)}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"Metadata-Version: 2.1\nName: headstart-broken-prints\n", ("headstart-broken-prints", "unknown")),
        (b"Metadata-Version: 2.1\nName: Renamed\nVersion: 7\n", ("renamed", "7")),
    ],
)
def test_metadata_that_can_be_read_is_believed(damaged, ask, content, told):
    damaged("METADATA", content)
    (found,) = (each for each in json.loads(ask("plugins", "--json")[1]) if each["name"] == "broken_prints")
    assert (found["distribution"], found["version"], found["error"]) == (*told, None)


def test_doctor_reads_the_version_of_other_packages_whatever_their_metadata_hold(tmp_path, monkeypatch, ask):
    """Beside a package that headstart looks for, such as pyarrow, and that is damaged."""
    folder = tmp_path / "pyarrow-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_bytes(JUNK)
    monkeypatch.syspath_prepend(tmp_path)
    code, out, err = ask("doctor", "--json")
    assert code == 0, err
    assert json.loads(out)["packages"]["pyarrow"] == "unreadable"


WEIGHTS_OF_NO_PACKAGE = """
from headstart.hookspecs import hookimpl
from headstart.specs import BackboneSpec, PackageFile, WeightsSpec

@hookimpl
def register_backbones():
    weights = WeightsSpec(name="own", origin=PackageFile("", "1", "file"), licence="MIT", source="mine", size=None,
                          algorithm="sha256", digest="unknown", load="nowhere.at:all", preprocess={})
    return [BackboneSpec(name="broken_prints/net", summary="A net.", build="nowhere.at:all", takes="image",
                         stages=("low",), features=(), preprocess={}, licence="MIT", weights=(weights,))]
"""


def test_doctor_goes_on_where_a_plugins_weights_cannot_be_looked_for(alone, every_kind, ask):
    sound = every_kind["prints"]
    (alone(sound) / f"{sound.module}.py").write_text(WEIGHTS_OF_NO_PACKAGE, encoding="utf-8")
    code, out, err = ask("doctor", "--json")
    assert code == 0, err
    advice = json.loads(out)["advice"]
    named = [line for line in advice if "broken_prints" in line]
    assert len(named) == 1
    assert named[0].startswith(("broken_prints/net: looking for its own weights failed", "plugin 'broken_prints'"))


def test_python_itself_cannot_list_entry_points_beside_a_damaged_file(damaged):
    """Why no fit is tried there: torch and jax ask for theirs when they are imported, and fail with it."""
    metadata.entry_points(group="torch.backends")
    damaged("entry_points.txt", b"[headstart]\nbroken_prints = headstart_broken_prints\n?")
    with pytest.raises(TypeError):
        metadata.entry_points(group="torch.backends")

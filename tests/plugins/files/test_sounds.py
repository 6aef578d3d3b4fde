"""Folders, tables and archives of sounds: known by what they hold, opened as those of pictures are."""

import zipfile

import pytest

from headstart.errors import DataError
from headstart.specs import DatasetRequest
from headstart_plugins.files import AudioFolderOptions, resolve_dataset
from headstart_plugins.files._folder import build_sounds


def clips(root, names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"RIFF")
    return root


NAMES = ("scots/1.wav", "scots/2.FLAC", "welsh/1.mp3", "welsh/2.gsm", "welsh/3.opus")


def opened(path):
    return build_sounds(DatasetRequest(str(path), AudioFolderOptions()))


def test_a_folder_of_sounds_is_known_and_each_folder_is_a_class(tmp_path):
    root = clips(tmp_path / "speech", NAMES)
    assert resolve_dataset(str(root), None) == "files/audio_folder"
    records = opened(root)
    assert records.medium == "audio"
    assert {record.key: record.target for record in records.items} == {name: name.split("/")[0] for name in NAMES}


def test_texts_beside_sounds_say_what_is_said_and_a_cover_is_no_data(tmp_path):
    root = clips(tmp_path, [*(f"a/{n}.wav" for n in range(20)), *(f"a/{n}.txt" for n in range(20)), "a/cover.jpg"])
    assert resolve_dataset(str(root), None) == "files/audio_folder"
    assert (
        resolve_dataset(str(clips(tmp_path / "more", ["a/1.wav", "a/1.txt", "a/2.txt"])), None) == "files/text_folder"
    )
    assert resolve_dataset(str(clips(tmp_path / "photos", ["a/1.jpg", "a/1.wav"])), None) == "files/image_folder"


def test_an_archive_of_sounds_is_read_in_place(tmp_path):
    clips(tmp_path / "speech", NAMES)
    with zipfile.ZipFile(tmp_path / "speech.zip", "w") as archive:
        for name in NAMES:
            archive.write(tmp_path / "speech" / name, f"speech/{name}")
    assert resolve_dataset(str(tmp_path / "speech.zip"), None) == "files/audio_folder"
    assert len(opened(tmp_path / "speech.zip").items) == 5


def test_what_sounds_are_called_that_are_not_read_is_listed_by_the_reader(tmp_path):
    """A folder of .m4a is one of sounds, whose error says what to do."""
    assert len(opened(clips(tmp_path, ["a/1.m4a", "b/1.m4a"])).items) == 2
    with pytest.raises(DataError, match="no class folders, but 2 sounds"):
        opened(clips(tmp_path / "flat", ["1.wav", "2.wav"]))

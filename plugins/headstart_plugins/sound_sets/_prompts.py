"""Prompts of telephones in French, recorded in Canada and in France."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from headstart.errors import DataError, UsageError
from headstart.specs import DatasetRequest, Finding, MakeRequest, Record, Records
from headstart_plugins.sound_sets._packages import unpacked

PACKAGES = ("asterisk-core-sounds-fr-gsm", "asterisk-prompt-fr-armelle")
SOUNDS = Path("usr/share/asterisk/sounds")
FOLDERS: Mapping[str, str] = {"fr_CA": "fr_CA_f_June", "fr_FR": "fr"}
"""Where each accent lies below `SOUNDS`."""
RATE = 8_000
FEWEST = 50
TEST_SHARE, VAL_SHARE = 0.2, 0.16
PEAK = 0.9


def make(request: MakeRequest) -> None:
    """The prompts that both have, each decoded, brought to the same peak, and coded again as GSM 06.10 in a WAV.

    Both come as GSM of 8,000 Hz; a second coding by one encoder takes from neither what the other's had left, but
    leaves the same traces on both. Raises UsageError where the packages cannot be had, or share too few prompts.
    """
    if request.source is not None:
        _make_from(request.source.expanduser(), request)
    elif all((Path("/") / SOUNDS / folder).is_dir() for folder in FOLDERS.values()):
        _make_from(Path("/"), request)
    else:
        with unpacked(PACKAGES) as root:
            _make_from(root, request)


def _make_from(root: Path, request: MakeRequest) -> None:
    from headstart_plugins._waves.reading import extra, read_sound

    soundfile = extra("soundfile")
    found = {accent: _prompts(root / SOUNDS / folder) for accent, folder in FOLDERS.items()}
    shared = sorted(set.intersection(*map(set, found.values())))
    if len(shared) < FEWEST:
        raise UsageError(
            f"{root / SOUNDS} has {len(shared)} prompts that {' and '.join(FOLDERS.values())} share; expected "
            f"{FEWEST} at least",
            hint=f"--from takes the folder that {' and '.join(PACKAGES)} were unpacked in",
        )
    for done, name in enumerate(shared, 1):
        for accent, files in found.items():
            samples = read_sound(files[name], f"{accent}/{name}", RATE, 10).value.samples
            stream = io.BytesIO()
            loudest = float(abs(samples).max())
            soundfile.write(stream, samples * (PEAK / loudest if loudest else 1), RATE, format="WAV", subtype="GSM610")
            target = request.folder / accent / f"{name.removesuffix('.gsm').replace('/', '-')}.wav"
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(stream.getvalue())
        request.on_progress(done, len(shared))


def _prompts(folder: Path) -> dict[str, Path]:
    """Files by their path below `folder`; silence is no prompt."""
    files = (path for path in sorted(folder.rglob("*.gsm")) if "silence" not in path.parts)
    return {path.relative_to(folder).as_posix(): path for path in files}


def build(request: DatasetRequest) -> Records:
    """Records with the prompt as group, held out by prompt: a hash of its name says on which side it is, the same for
    both accents. Raises DataError where nothing is there."""
    assert request.made is not None  # the spec names what makes it
    items = tuple(_records(request.made))
    if not items:
        raise DataError(f"{request.made} has no prompts", hint="remove that folder, and make the data again")
    told = (
        "one speaker an accent: what is told apart may be the speaker or the studio as well as the accent, and no "
        "accuracy on these says how other speakers fare; both were coded twice, the second time alike"
    )
    return Records("audio", items, targets="targets/class", findings=(Finding("note", told, len(items)),))


def _records(folder: Path) -> Iterator[Record]:
    for accent in FOLDERS:
        for path in sorted((folder / accent).glob("*.wav")):
            yield Record(f"{accent}/{path.name}", path, accent, path.stem, _side(path.stem))


def _side(prompt: str) -> str:
    share = int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:8], "big") / 2**64
    return "test" if share < TEST_SHARE else "val" if share < TEST_SHARE + VAL_SHARE else "train"

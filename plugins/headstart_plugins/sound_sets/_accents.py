"""Sentences in several accents, spoken by engines of synthesis."""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from headstart.errors import DataError, UsageError
from headstart.specs import DatasetRequest, Finding, MakeRequest, Record, Records
from headstart.threads import available_threads
from headstart_plugins.sound_sets import ACCENTS, AccentOptions
from headstart_plugins.sound_sets._packages import Program, program
from headstart_plugins.sound_sets._sentences import SIDES, TEST

TABLE = "clips.csv"
ESPEAK = ("espeak-ng", "espeak-ng-data", "libespeak-ng1", "libpcaudio0", "libsonic0")
FLITE = ("flite", "libflite1")
VOICES = {
    "train": ("m1", "m2", "m3", "m4", "f1", "f2", "f3", "f4"),
    "val": ("m5", "f5"),
    "test": ("m6", "m7", "linda"),
}
"""Variants of espeak-ng's voice: the same in every accent, others on every side."""
FESTIVAL = ("festival", "festvox-kallpc16k", "festvox-kdlpc16k")
OTHERS = {
    "flite": {"awb": "en-gb-scotland", "kal16": "en-us", "rms": "en-us", "slt": "en-us"},
    "festival": {"kal_diphone": "en-us", "ked_diphone": "en-us"},
}
"""Voices of other engines, each of another person but that kal16 and kal_diphone are one, by that person's accent."""
NAMED = {"en-gb": "en"}
"""espeak-ng's own names of accents where they differ. To `en-gb+m1` espeak-ng 1.51 gives the voice without its variant,
silently; `en` is the same accent, and has them."""
AGAIN = "remove its folder, and make the data again"


@dataclass(frozen=True)
class Clip:
    """A sentence as spoken: its file, the accent, the voice, the words, and the side that it is on."""

    path: str
    accent: str
    voice: str
    text: str
    split: str


def make(request: MakeRequest) -> None:
    """Speak the sentences of each side in the voices of that side, each in all accents; write FLAC files and a table.

    Of train each sentence has `voices` of its eight in turn. One that two accents speak alike, to the sample, in some
    voice is left out of that voice in all of them: nothing could tell these apart. Raises UsageError where espeak-ng
    cannot be had.
    """
    wanted = [
        (side, voice, text)
        for side, sentences in SIDES.items()
        for place, text in enumerate(sentences)
        for voice in _voices_of(side, place, request.options.voices)
    ]
    with program("espeak-ng", ESPEAK, request.source, "ESPEAK_DATA_PATH") as engine:
        _require_voices(engine)
        _speak_all(engine, wanted, request)


def _require_voices(engine: Program) -> None:
    """Raises UsageError where two voices of an accent sound alike: that accent would be known by its one voice."""
    for accent in ACCENTS:
        heard: dict[bytes, str] = {}
        for voice in (each for voices in VOICES.values() for each in voices):
            same = heard.setdefault(_samples_of(_spoken(engine, accent, voice, TEST[0])), voice)
            if same != voice:
                raise UsageError(
                    f"{engine.path} speaks {accent} in the voices {same} and {voice} alike",
                    hint="give another version of espeak-ng by --from",
                )


def _spoken(engine: Program, accent: str, voice: str, text: str) -> bytes:
    return engine.output(("-v", f"{NAMED.get(accent, accent)}+{voice}", "--stdin", "--stdout"), text)


def _voices_of(side: str, place: int, count: int) -> Sequence[str]:
    voices = VOICES[side]
    return [voices[(place * count + step) % len(voices)] for step in range(count)] if side == "train" else voices


def _speak_all(engine: Program, wanted: Sequence[tuple[str, str, str]], request: MakeRequest) -> None:
    clips: list[Clip] = []
    with ThreadPoolExecutor(available_threads()) as pool:

        def spoken(each: tuple[str, str, str]) -> list[bytes]:
            _, voice, text = each
            return [_spoken(engine, accent, voice, text) for accent in ACCENTS]

        for done, ((side, voice, text), sounds) in enumerate(zip(wanted, pool.map(spoken, wanted), strict=True), 1):
            request.on_progress(done, len(wanted))
            if len(set(map(_samples_of, sounds))) < len(ACCENTS):
                continue
            for accent, sound in zip(ACCENTS, sounds, strict=True):
                clip = Clip(f"{accent}/{side}-{_short(text)}-{voice}.flac", accent, voice, text, side)
                _write(request.folder / clip.path, sound)
                clips.append(clip)
    if not clips:
        raise UsageError(f"{engine.path} speaks all accents alike", hint="give another version of espeak-ng by --from")
    _write_table(request.folder, clips)


def _samples_of(sound: bytes) -> bytes:
    """What follows the header of a WAV: 44 bytes."""
    return hashlib.sha256(sound[44:]).digest()


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def make_other(request: MakeRequest) -> None:
    """Speak the sentences of test with the engines that are asked for, in each of their voices that is of a known
    accent. Raises UsageError where one of them cannot be had."""
    speaks = {"flite": _by_flite, "festival": _by_festival}
    clips: list[Clip] = []
    wanted = [(engine, voice, text) for engine in request.options.engines for text in TEST for voice in OTHERS[engine]]
    spoken = request.folder / "spoken.wav"
    with ExitStack() as stack:
        speak = {name: stack.enter_context(speaks[name](request.source)) for name in request.options.engines}
        for done, (engine, voice, text) in enumerate(wanted, 1):
            accent = OTHERS[engine][voice]
            clip = Clip(f"{accent}/{_short(text)}-{voice}.flac", accent, voice, text, "test")
            speak[engine](voice, text, spoken)
            _write(request.folder / clip.path, spoken.read_bytes())
            spoken.unlink()
            clips.append(clip)
            request.on_progress(done, len(wanted))
    _write_table(request.folder, clips)


Speak = Callable[[str, str, Path], None]
"""A voice, a text, and the WAV that comes of them."""


@contextmanager
def _by_flite(source: Path | None) -> Iterator[Speak]:
    with program("flite", FLITE, source) as engine:

        def speak(voice: str, text: str, file: Path) -> None:
            engine.output(("-voice", voice, "-t", text, "-o", str(file)))

        yield speak


@contextmanager
def _by_festival(source: Path | None) -> Iterator[Speak]:
    """Its command is a script of its own language, which runs where it is installed alone."""
    hint = f"apt-get install {' '.join(FESTIVAL)}"
    found = shutil.which("text2wave")
    if found is None:
        raise UsageError("text2wave of festival is not on this machine", hint=hint)
    engine = Program(Path(found))

    def speak(voice: str, text: str, file: Path) -> None:
        engine.output(("-eval", f"(voice_{voice})", "-o", str(file)), text)
        if not file.exists():  # it ends with 0 where there is no such voice (2.5)
            raise UsageError(f"{found} did not speak in the voice {voice}", hint=hint)

    yield speak


def _write(path: Path, sound: bytes) -> None:
    """The samples of a WAV as FLAC, bit for bit, which is smaller."""
    from headstart_plugins._waves.reading import extra

    soundfile = extra("soundfile")
    path.parent.mkdir(exist_ok=True)
    samples, rate = soundfile.read(io.BytesIO(sound), dtype="int16")  # the engines write whole numbers of 16 bits
    soundfile.write(path, samples, rate, subtype="PCM_16")


def _write_table(folder: Path, clips: Sequence[Clip]) -> None:
    with (folder / TABLE).open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, [each.name for each in fields(Clip)], lineterminator="\n")
        table.writeheader()
        table.writerows(asdict(clip) for clip in sorted(clips, key=lambda clip: clip.path))


def _read_table(folder: Path) -> list[Clip]:
    try:
        with (folder / TABLE).open(encoding="utf-8", newline="") as file:
            return [Clip(**row) for row in csv.DictReader(file)]
    except (OSError, ValueError, TypeError) as exc:
        raise DataError(f"{folder / TABLE}: cannot be read: {exc}", hint=AGAIN) from exc


def build(request: DatasetRequest) -> Records:
    """Records of clips with the sides that they were made for: no sentence and no voice is on two. The sentence is the
    group. Raises DataError naming a table that cannot be read, or an accent that is not there."""
    told = (
        "spoken by one engine: its accents are rules and tables, so what tells them apart need not tell people apart; "
        "voices and sentences of test are in neither train nor val, and every voice speaks in all accents"
    )
    return Records(
        "audio",
        tuple(_records(request, keep_sides=True)),
        targets=_kind(request),
        findings=(Finding("note", told),),
        tolerances=request.options,
    )


def build_other(request: DatasetRequest) -> Records:
    """Records of clips of another engine. Raises as `build` does."""
    told = (
        "voices of other engines, one Scottish: with one voice an accent, voice and accent cannot be told apart; "
        "it says whether answers hold beyond the engine that was learned from"
    )
    return Records(
        "audio",
        tuple(_records(request, keep_sides=False)),
        targets=_kind(request),
        findings=(Finding("note", told),),
        tolerances=request.options,
    )


def _kind(request: DatasetRequest) -> str:
    return "targets/class" if _options(request).target == "accent" else "targets/text"


def _options(request: DatasetRequest) -> AccentOptions:
    return request.options if request.options is not None else AccentOptions()


def _records(request: DatasetRequest, *, keep_sides: bool) -> Iterator[Record]:
    assert request.made is not None  # the spec names what makes it
    options, clips = _options(request), _read_table(request.made)
    known = defaultdict(list)
    for clip in clips:
        known[clip.accent].append(clip)
    if absent := [name for name in options.accents if name not in known]:
        raise DataError(f"{request.made}: no accent {', '.join(absent)}", hint=f"there are {', '.join(sorted(known))}")
    for clip in clips:
        if clip.accent in (options.accents or known):
            target = clip.accent if options.target == "accent" else clip.text
            side = clip.split if keep_sides else None
            yield Record(clip.path, request.made / clip.path, target, _short(clip.text), side)

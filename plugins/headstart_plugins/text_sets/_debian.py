"""Descriptions of Debian's packages with the sections that they are sorted into."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from headstart.errors import DataError, UsageError
from headstart.specs import DatasetRequest, Finding, MakeRequest, Record, Records
from headstart_plugins.text_sets._lines import read_lines, write_lines

FILE = "packages.jsonl"
LISTS = Path("/var/lib/apt/lists")
"""Where apt keeps what it fetched; long descriptions are in files of their own, in a form that apt alone may know."""
APT_HELPER = "/usr/lib/apt/apt-helper"
ELSEWHERE = "write what `apt-cache dumpavail` prints on a machine with Debian or Ubuntu into FILE: --from FILE"
DESCRIPTIONS = ("Description-en", "Description")


@dataclass(frozen=True)
class Package:
    """A package: its name, that of its source, its section without the area (`contrib/games` is `games`), the one line
    that describes it, and the rest of its description, empty where that is not known."""

    name: str
    source: str
    section: str
    summary: str
    description: str


def make(request: MakeRequest) -> None:
    """Write the packages that apt knows here, or those in the file given, sorted by name.

    Raises UsageError where there is no `apt-cache`, it knows no package, or the file describes none.
    """
    if request.source is None:
        packages = _with_long(_of_this_machine(), _translations())
    else:
        packages = packages_of(_text(request.source))
        if not packages:
            raise UsageError(f"{request.source} describes no package", hint=ELSEWHERE)
    write_lines(request.folder / FILE, packages)


def _of_this_machine() -> list[Package]:
    if shutil.which("apt-cache") is None:
        raise UsageError("apt-cache is not on this machine, which knows Debian's packages", hint=ELSEWHERE)
    packages = packages_of(_printed(("apt-cache", "dumpavail")))
    if not packages:
        raise UsageError("apt-cache knows no package on this machine", hint=f"run `apt-get update`, or {ELSEWHERE}")
    return packages


def _text(path: Path) -> str:
    try:
        return path.expanduser().read_text(encoding="utf-8", errors="replace")
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror}", hint=ELSEWHERE) from exc


def _printed(command: Sequence[str]) -> str:
    """What a command of apt prints. Raises UsageError with the last that it said where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise UsageError(f"`{' '.join(command)}` failed: {said[-1]}", hint=ELSEWHERE)
    return done.stdout


def _translations() -> str:
    """The files of long English descriptions that apt has here, one after the other."""
    files = sorted(str(path) for path in LISTS.glob("*Translation-en*"))
    return "\n\n".join(_printed((APT_HELPER, "cat-file", file)) for file in files)


def packages_of(text: str) -> list[Package]:
    """The packages that `text` describes as `apt-cache dumpavail` prints them, sorted by name, each once.

    Those without a section or a description are none.
    """
    found: dict[str, Package] = {}
    for stanza in stanzas(text):
        summary, description = described(stanza)
        name, section = stanza.get("Package", ""), stanza.get("Section", "").rpartition("/")[2]
        if name and section and summary:
            source = stanza.get("Source", name).partition(" ")[0]  # "name (version)"
            found.setdefault(name, Package(name, source, section, summary, description))
    return [found[name] for name in sorted(found)]


def _with_long(packages: Iterable[Package], translations: str) -> list[Package]:
    """The packages, each with the long description of its name and summary, where there is one."""
    long = {(stanza.get("Package"), described(stanza)[0]): described(stanza)[1] for stanza in stanzas(translations)}
    return [replace(each, description=long.get((each.name, each.summary), each.description)) for each in packages]


def stanzas(text: str) -> Iterator[Mapping[str, str]]:
    """Fields by name of each paragraph of a control file (deb822); the lines of a field keep their breaks."""
    for paragraph in re.split(r"\n{2,}", text):
        fields: dict[str, str] = {}
        name = ""
        for line in paragraph.split("\n"):
            if line[:1] in (" ", "\t"):
                fields[name] = f"{fields.get(name, '')}\n{line}"
            elif ":" in line:
                name, _, value = line.partition(":")
                fields[name] = value.strip()
        if fields:
            yield fields


def described(stanza: Mapping[str, str]) -> tuple[str, str]:
    """The one line and the rest of a description: paragraphs with an empty line between them, without the dots and
    spaces that control files need."""
    text = next((stanza[name] for name in DESCRIPTIONS if name in stanza), "")
    summary, _, rest = text.partition("\n")
    lines = ("" if line.strip() == "." else line.strip() for line in rest.split("\n"))
    return summary.strip(), "\n".join(lines).strip()


def build(request: DatasetRequest) -> Records:
    """Records with the package's name as key, its section as target and its source as group: packages of one source,
    such as foo, foo-dev and foo-doc, are near-copies.

    A text that several packages share is kept once a section, and left out where it stands in several: nobody could
    learn that. Raises DataError where a section asked for is not there, or no long descriptions are.
    """
    assert request.made is not None  # the spec names what makes it
    options, place = request.options, request.made / FILE
    packages = read_lines(place, Package)
    known = {package.section for package in packages}
    if absent := [name for name in options.sections if name not in known]:
        hint = f"sections are {', '.join(sorted(known))}"
        raise DataError(f"{place} has no package of the section {', '.join(absent)}", hint=hint)
    if options.text == "full" and not any(package.description for package in packages):
        raise DataError(
            f"{place} has no long descriptions: apt had none where it was made",
            hint="leave out dataset.text=full, or make it where /var/lib/apt/lists has a file Translation-en",
        )
    chosen = [package for package in packages if package.section in options.sections]
    by_text: defaultdict[str, list[Package]] = defaultdict(list)
    for package in chosen:
        by_text[_read_of(package, options.text)].append(package)
    torn = {text: same for text, same in by_text.items() if len({each.section for each in same}) > 1}
    items = tuple(
        Record(same[0].name, text, same[0].section, same[0].source)
        for text, same in by_text.items()
        if text not in torn
    )
    copies = len(chosen) - len(items) - sum(map(len, torn.values()))
    return Records("text", items, targets="targets/class", findings=tuple(_findings(torn, copies)))


def _read_of(package: Package, text: str) -> str:
    return package.summary if text == "summary" else f"{package.summary}\n\n{package.description}".strip()


def _findings(torn: Mapping[str, Sequence[Package]], copies: int) -> Iterator[Finding]:
    if copies:
        yield Finding("note", f"{copies:,} packages have the text of another one of their section: left out", copies)
    if torn:
        count = sum(map(len, torn.values()))
        cases = tuple(f"{text!r}: {', '.join(f'{each.name} ({each.section})' for each in torn[text])}" for text in torn)
        said = f"{count:,} packages have the text of one in another section: left out, since nothing tells them apart"
        yield Finding("note", said, count, cases=cases)

"""What the documents tell people to type exists: verbs, options, names, files and targets."""

import ast
import itertools
import re
import shlex
from pathlib import Path

import pytest
import typer

from headstart.registry import load_registry
from headstart.specs import AugmentationRequest
from headstart.testing import write_distribution
from headstart_cli.main import app
from headstart_plugins.image._changes import fused

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("examples/**/*.md"), *ROOT.glob("tests/**/*.md"))
    if ".venv" not in path.parts
)
NAMED = {
    "--strategy": "strategies",
    "--augment": "augmentations",
    "--task": "tasks",
    "--reporter": "reporters",
}


def blocks(document, *languages):
    """The fenced blocks of some languages."""
    text = document.read_text(encoding="utf-8")
    return [body for language, body in re.findall(r"^```(\w+)\n(.*?)^```", text, re.M | re.S) if language in languages]


def commands(document):
    """The command lines in a document's shell blocks, each as a list of words; continued lines are joined."""
    joined = "\n".join(blocks(document, "sh", "bash", "shell")).replace("\\\n", " ")
    return [words for line in joined.splitlines() if (words := shlex.split(line, comments=True))]


def typed(program):
    return [
        pytest.param(words[1:], id=f"{document.parent.name}: {' '.join(words)}"[:90])
        for document in DOCUMENTS
        for words in commands(document)
        if words[0] == program
    ]


def parse(command, words):
    """Parse as the command line does, and run nothing."""
    try:
        context = command.make_context(command.name, list(words))
    except typer.Exit:  # --help and --version have printed, and end here
        return
    if hasattr(command, "commands"):
        rest = [*context._protected_args, *context.args]
        if not rest:  # a group that takes the name of an offer has it already
            return
        _, verb, rest = command.resolve_command(context, rest)
        parse(verb, rest)


@pytest.fixture(scope="module")
def command():
    return typer.main.get_command(app)


@pytest.mark.parametrize("words", typed("headstart"))
def test_every_command_in_the_documents_can_be_typed(command, words):
    parse(command, words)


@pytest.mark.parametrize("words", typed("headstart"))
def test_every_name_in_these_commands_is_there(registry, words):
    made = {words[words.index("--out") + 1] for each in DOCUMENTS for words in commands(each) if "--out" in words}
    for flag, value in itertools.pairwise(words):
        if flag == "--backbone" and value.startswith("runs/"):  # a run that another of the commands makes
            assert value in made
        elif flag == "--backbone":
            assert registry.resolve_backbone(value)
        elif flag in NAMED:
            assert registry.get(NAMED[flag], value)
        if flag == "--recipe" and "/" in value:
            assert (ROOT / value).is_file()


@pytest.mark.parametrize("words", typed("make"))
def test_every_make_target_in_the_documents_exists(words):
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert {word for word in words if "=" not in word} <= set(targets)


@pytest.mark.parametrize("words", typed("python"))
def test_every_script_in_the_documents_exists(words):
    assert words[0] == "-m" or (ROOT / words[0]).is_file()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_inside_the_repository_leads_somewhere(document):
    targets = re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8"))
    assert [t for t in targets if "://" not in t and not (document.parent / t).exists()] == []


def pythons():
    return [
        pytest.param(source, id=f"{document.name}-{number}")
        for document in DOCUMENTS
        for number, source in enumerate(blocks(document, "python"))
    ]


@pytest.mark.parametrize("source", pythons())
def test_every_python_block_compiles(source):
    ast.parse(source)


def test_the_plugin_of_the_readme_works(tmp_path, monkeypatch):
    (source,) = (block for block in blocks(ROOT / "README.md", "python") if "register_augmentations" in block)
    write_distribution(tmp_path, "tilt", source, module="headstart_tilt")
    monkeypatch.syspath_prepend(tmp_path)
    registry = load_registry()
    spec = registry.get("augmentations", "tilt/tilt")
    built = registry.load_target(spec, spec.build)(AugmentationRequest(spec.options(), frozenset()))
    first, second = built.draw(0, 1, "cat.jpg"), built.draw(0, 1, "cat.jpg")
    assert first == second
    assert first != built.draw(0, 2, "cat.jpg")
    assert fused(first.changes).matrix[0][1] != 0

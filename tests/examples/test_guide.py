"""The authors' guide says what is so: every hook, every field and every signature that an author meets."""

import dataclasses
import inspect
import os
import re
import shutil
import subprocess
import sys

import pytest

from headstart import errors, events, hookspecs, specs, testing

HOOKS = {
    name: hook for name, hook in inspect.getmembers(hookspecs, inspect.isfunction) if hasattr(hook, "headstart_spec")
}
TARGETS = {
    name: kind.__call__
    for name, kind in inspect.getmembers(specs, inspect.isclass)
    if getattr(kind, "_is_protocol", False) and "__call__" in vars(kind)
}
EXPLAINED = [
    *("Spec", "BackboneSpec", "FeatureSpec", "BackboneRequest", "WeightsSpec"),
    *(
        "PackageFile",
        "NpmFile",
        "RemoteFile",
        "LocalFile",
        "FetchedFile",
        "PretrainedHead",
        "Reading",
        "Beginning",
        "Training",
    ),
    *("DatasetSpec", "DatasetRequest", "Records", "Record", "Stored", "Skipped", "Tolerances", "MakeRequest"),
    *("AugmentationSpec", "AugmentationRequest", "Drawn", "ReporterSpec", "ReporterRequest"),
    *("InputSpec", "InputRequest", "TensorSpec", "Prepared", "TrainingSplit"),
    *("TargetSpec", "TargetRequest", "Recognised", "Finding"),
    *("TaskSpec", "TaskRequest", "Evaluation", "Search"),
    *("ScoreSpec", "ScoreRequest", "Observed", "Scored", "Baseline"),
]
OFFERED_TOO = [
    kind for _, kind in inspect.getmembers(specs, inspect.isclass) if getattr(kind, "_is_runtime_protocol", False)
]


def signature(function):
    """As the guide writes it: `(ref: str) -> str | None`."""
    found = inspect.signature(function)
    arguments = [name if name == "self" else f"{name}: {each.annotation}" for name, each in found.parameters.items()]
    return f"({', '.join(arguments)}) -> {found.return_annotation}"


def tables(guide):
    """The names in the first column of each table, by its title."""
    found = {}
    for table in re.findall(r"(?:^\|.*\n)+", guide.text, re.M):
        title, _, *rows = (line.split("|")[1].strip() for line in table.splitlines())
        found[title.strip("`")] = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    return found


def test_every_hook_has_a_heading_with_its_exact_arguments_and_nothing_else_has(guide):
    assert len(HOOKS) == 14
    headings = re.findall(r"^#+ `(\w+\(.*)`$", guide.text, re.M)
    assert sorted(headings) == sorted(name + signature(hook) for name, hook in HOOKS.items())


def test_every_name_that_looks_like_a_hook_is_one(guide):
    named = re.findall(r"\b(?:register|resolve|check)_[a-z]+\b", guide.text)
    assert set(named) == set(HOOKS)


@pytest.mark.parametrize("name", TARGETS)
def test_every_build_target_is_named_with_its_exact_arguments(guide, name):
    assert f"`{name}`" in guide.text
    assert f"`{signature(TARGETS[name]).replace('(self, ', '(')}`" in guide.text


@pytest.mark.parametrize("method", [specs.Augmentation.draw, specs.Reporter.on_event], ids=lambda each: each.__name__)
def test_the_methods_that_authors_write_have_their_exact_arguments(guide, method):
    assert f"`{method.__name__}{signature(method)}`" in guide.text


@pytest.mark.parametrize("name", EXPLAINED)
def test_every_field_that_authors_meet_is_explained_in_order_and_no_other(guide, name):
    kind = getattr(specs, name)
    inherits = issubclass(kind, specs.Spec) and kind is not specs.Spec
    shared = {field.name for field in dataclasses.fields(specs.Spec)} if inherits else set()
    fields = [field.name for field in dataclasses.fields(kind) if field.name not in shared]
    rows = re.search(rf"^\| `{name}` \|.*\n((?:\|.*\n)+)", guide.text, re.M)[1]
    assert re.findall(r"^\| `(\w+)` \| \S", rows, re.M) == fields


def test_every_table_of_fields_is_held_by_the_test_above(guide):
    assert {title for title in tables(guide) if hasattr(specs, title)} == set(EXPLAINED)


def members(kind):
    """What a Protocol asks for, by name."""
    return {name for name in (*vars(kind), *inspect.get_annotations(kind)) if name[0] != "_"}


@pytest.mark.parametrize("name", ["InputKind", "TargetKind", "Task", "Evaluator"])
def test_everything_that_authors_build_is_explained_member_by_member(guide, name):
    article = "an" if name[0] in "EI" else "a"
    rows = re.search(rf"^\| {article} `{name}` has \|.*\n((?:\|.*\n)+)", guide.text, re.M)[1]
    assert set(re.findall(r"^\| `(\w+)` \| \S", rows, re.M)) == members(getattr(specs, name))


@pytest.mark.parametrize("kind", OFFERED_TOO, ids=lambda kind: kind.__name__)
def test_everything_that_can_be_offered_too_is_named_with_its_members(guide, kind):
    named = "".join(re.findall(rf"^.*`{kind.__name__}`.*$", guide.text, re.M))
    assert [name for name in sorted(members(kind)) if f"`{name}" not in named] == []


def test_every_event_is_listed_with_its_fields(guide):
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", guide.text, re.M))
    for name, kind in events.KINDS.items():
        fields = [field.name for field in dataclasses.fields(kind) if field.name != "time"]
        assert re.findall(r"`(\w+)`", rows[name].partition(":")[0]) == fields, name


def test_every_exit_code_is_that_of_its_error(guide):
    rows = re.findall(r"^\| `(\w+Error)` \| (\d) \|", guide.text, re.M)
    assert len(rows) == 4
    assert [(name, getattr(errors, name).exit_code) for name, _ in rows] == [(name, int(code)) for name, code in rows]


def test_every_class_of_the_kit_is_named(guide):
    assert [name for name in testing.__all__ if f"`{name}`" not in guide.text and name not in guide.text] == []


def test_every_attribute_that_authors_set_in_a_contract_is_explained_and_no_other(guide):
    contracts = [getattr(testing, name) for name in testing.__all__ if name.endswith("Contract")]
    found = {name: inspect.getattr_static(kind, name) for kind in contracts for name in dir(kind) if name[0] != "_"}
    fixed = property | classmethod
    own = {name for name, value in found.items() if not name.startswith("test_") and not isinstance(value, fixed)}
    assert {spelt.partition("(")[0] for spelt in tables(guide)["attribute"]} == own


def test_the_table_of_contents_leads_to_every_section(guide):
    titles = re.findall(r"^## (.*)$", guide.text, re.M)
    sections = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#(.*?)\)", guide.text)) == sections


def told(text):
    """Lines without what stands between their words."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(("start", "code"), [("headstart plugins", 0), ("headstart fit", 5)])
def test_what_a_plugin_that_fails_looks_like_is_what_users_see(guide, template, tmp_path, start, code):
    site = tmp_path / "broken"
    shutil.copytree(template, site)
    first = site / "headstart_template" / "__init__.py"
    source = first.read_text(encoding="utf-8")
    first.write_text(source.replace("from headstart.hookspecs", "import numpy\nfrom headstart.hookspecs", 1))
    (shown,) = (body for _, body in guide.blocks("text") if body.startswith(f"$ {start}"))
    typed, *expected = told(shown)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("KERAS", "HEADSTART"))}
    command = [sys.executable, "-c", "from headstart_cli.main import run; run()", *typed.split()[2:]]
    done = subprocess.run(
        command, cwd=tmp_path, env={**kept, "PYTHONPATH": str(site)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert set(expected) <= set(told(done.stdout + done.stderr))


def test_the_tree_of_the_project_lists_every_file_and_no_other(guide, examples):
    (tree,) = (body for _, body in guide.blocks("text") if body.startswith("headstart-template/"))
    listed = {line.split()[0] for line in tree.splitlines()}
    found = [path.relative_to(examples / "plugin-template") for path in (examples / "plugin-template").rglob("*.*")]
    there = {path.name for path in found if not any(part[0] in "._" for part in path.parts[:-1])}
    assert {name for name in listed if name[-1] != "/"} == {name for name in there if name[0] != "."}

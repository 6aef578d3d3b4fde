"""The code of the authors' guide is that of the project beside it, or is run here as a reader would put it together."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from headstart import errors
from headstart.asking import read_settings
from headstart.options import check_declaration, parse_options
from headstart.recipes.build import build_recipe
from headstart.recipes.resolve import resolve_recipe
from headstart.registry import load_registry
from headstart.specs import DatasetRequest, TensorSpec

CONTINUED = "headstart_template/__init__.py, continued"
EXTRA = ("headstart_template/_published.py", "headstart_template/_weights.py")
"""Files that the guide adds to those of the project."""
ALONE = {"headstart_line.py", "pyproject.toml", "make_digits.py", "options.py"}
"""The plugin that fits on a slide, and files of no plugin."""
UNSHOWN = {"tests/bars.py", "tests/test_fit.py"}
TOP = "from headstart.hookspecs"
BACKBONE_SIZE = {"image": (16, 16, 3)}


def test_every_block_is_a_file_of_the_project_or_run_below(guide, examples):
    project = examples / "plugin-template"
    files = {path.relative_to(project).as_posix() for path in project.rglob("*.py")} - UNSHOWN
    blocks = [*guide.blocks("python"), *guide.blocks("toml")]
    assert {name for name, _ in blocks} == files | {CONTINUED} | set(EXTRA) | ALONE
    shown = {name: body.partition("\n")[2] for name, body in blocks if name in files}
    assert shown == {name: (project / name).read_text(encoding="utf-8") for name in files}


@pytest.fixture
def slide(guide, install, tmp_path, monkeypatch):
    """The plugin that fits on a slide, installed from its two files."""
    (tmp_path / "line").mkdir()
    for file in ("headstart_line.py", "pyproject.toml"):
        (tmp_path / "line" / file).write_text(guide.code(file), encoding="utf-8")
    site = install(tmp_path / "line", to=tmp_path / "site")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", str(site))
    yield site
    sys.modules.pop("headstart_line", None)


@pytest.mark.usefixtures("slide")
def test_the_plugin_on_the_slide_keeps_the_contract_of_reporters(guide):
    from headstart.testing import ReporterContract

    assert len(guide.code("headstart_line.py").splitlines()) <= 24
    contract = type("TestLine", (ReporterContract,), {"name": "line/line"})()
    tests = [getattr(contract, name) for name in dir(contract) if name.startswith("test_")]
    assert len(tests) > 3
    for test in tests:
        test()


@pytest.mark.usefixtures("template")
def test_the_digits_that_the_guide_makes_are_opened_by_the_dataset(guide, tmp_path):
    (tmp_path / "make_digits.py").write_text(guide.code("make_digits.py"), encoding="utf-8")
    subprocess.run([sys.executable, "make_digits.py"], cwd=tmp_path, check=True)
    registry = load_registry()
    found = registry.resolve_dataset(f"arrays:{tmp_path / 'digits.npz'}")
    assert found.spec.name == "template/arrays"
    records = registry.load_target(found.spec, found.spec.build)(DatasetRequest(found.reference, found.spec.options()))
    assert len(records.items) == 1797
    assert {record.target for record in records.items} == set("0123456789")
    assert max(record.payload.max() for record in records.items) == 255


def test_the_options_are_sound_and_are_checked_together(guide):
    namespace = {"__name__": "options"}
    exec(compile(guide.code("options.py"), "options.py", "exec"), namespace)
    options = namespace["Options"]
    assert check_declaration(options) == ()
    assert parse_options(options, {"size": 64, "limit": "none", "names": ["a"]}, "x")[0] == options(64, names=("a",))
    (problem,) = parse_options(options, {"size": 512, "mode": "exact"}, "x")[1]
    assert "exact goes up to a size of 256" in str(problem)


@pytest.mark.usefixtures("template")
def test_every_value_that_the_guide_sets_is_one_that_a_recipe_takes(guide, tmp_path):
    found = [value.strip("'") for value in re.findall(r"`--set ([^`]+)`", guide.text)]
    asked = [value for value in found if value.startswith(("predict.", "task."))]  # of a finished run
    assert len(read_settings(asked, load_registry().get("tasks", "detection")).task) == 1
    sets = [value for value in found if value not in asked]
    assert {value.partition(".")[0] for value in sets} == {"dataset", "backbone", "augmentation", "reporter"}
    chosen = {"backbone": "template/steps", "augment": ["turn"], "reporters": ["table"]}
    resolved = resolve_recipe(recipe(tmp_path, **chosen, sets=sets), load_registry())
    assert resolved.options["reporter.table"].separator == ";"
    assert resolved.options["augmentation.turn"].degrees == 5


@pytest.fixture
def extended(guide, template, tmp_path, monkeypatch):
    """The project with all that the guide adds to it, installed in place of the project itself."""
    site = tmp_path / "extended"
    shutil.copytree(template, site)
    first = site / "headstart_template" / "__init__.py"
    source = first.read_text(encoding="utf-8").replace(
        '            tiny={"width": 8},', "            weights=(SHAPES,),"
    )
    source = source.replace(TOP, f"from headstart_template._published import SHAPES\n{TOP}", 1)
    added = [body for name, body in guide.blocks("python") if name == CONTINUED]
    assert len(added) == 3
    first.write_text("\n".join([source, *added]), encoding="utf-8")
    for file in EXTRA:
        (site / file).write_text(guide.code(file), encoding="utf-8")
    monkeypatch.syspath_prepend(site)
    return site


@pytest.fixture
def folder(tmp_path):
    """What the guide's resolve_backbone looks for; its weights are not there yet."""
    folder = tmp_path / "some network"
    folder.mkdir()
    (folder / "steps.json").write_text('{"width": 24}')
    return folder


def recipe(tmp_path, sets=(), **settings):
    data = f"arrays:{tmp_path / 'bars.npz'}"
    return build_recipe(flags={"data": data, "backend": "torch", **settings}, sets=sets)


@pytest.mark.usefixtures("extended")
def test_the_hooks_that_the_guide_adds_are_sound():
    (plugin,) = (plugin for plugin in load_registry().plugins if plugin.name == "template")
    assert plugin.error is None
    assert {"resolve_backbone", "resolve_dataset", "check_recipe"} <= set(plugin.hooks)


@pytest.mark.usefixtures("extended")
def test_a_path_of_its_own_is_opened_by_its_dataset_and_others_are_not(tmp_path):
    for name in ("one.steps.npz", "other.npz"):
        (tmp_path / name).touch()
    registry = load_registry()
    assert registry.resolve_dataset(str(tmp_path / "one.steps.npz")).spec.name == "template/arrays"
    with pytest.raises(errors.UsageError, match="no dataset plugin recognises"):
        registry.resolve_dataset(str(tmp_path / "other.npz"))


@pytest.mark.usefixtures("extended")
def test_a_folder_is_resolved_as_the_backbone_that_it_describes(folder, tmp_path):
    registry = load_registry()
    spec = registry.resolve_backbone(str(folder))
    assert (spec.name, spec.given) == ("template/steps", {"width": 24})
    resolved = resolve_recipe(recipe(tmp_path, backbone=str(folder)), registry)
    assert resolved.options["backbone"].width == 24
    assert resolved.weights.origin.path == str(folder / "weights.safetensors")
    with pytest.raises(errors.UsageError, match="no plugin opens"):
        registry.resolve_backbone(str(tmp_path))


@pytest.mark.usefixtures("extended")
def test_the_check_tells_of_a_size_that_the_network_cannot_halve(tmp_path, bound):
    registry, steps = load_registry(), {"backbone": "template/steps", "weights": "none"}
    with pytest.raises(errors.RecipeError) as caught:
        resolve_recipe(recipe(tmp_path, image_size=30, **steps), registry)
    (problem,) = caught.value.problems
    assert problem.message == "template/steps takes multiples of 8, not 30"
    assert problem.hint == "write 24"
    for sound in ({"image_size": 40, **steps}, steps, {"image_size": 30, "weights": "none"}):
        assert bound(recipe(tmp_path, **sound), registry).phases


def write_published(file, stages):
    """Write random arrays as others publish them, in torch's layout; returns the same under our names, in Keras'."""
    from headstart.engine.network.stages import read_arrays
    from headstart.weights.files import write_safetensors

    draw = np.random.default_rng(0)
    roles = {"kernel": "weight", "gamma": "weight", "beta": "bias", "moving_mean": "running_mean"}
    ours, theirs = {}, {}
    for name, built in read_arrays(stages).items():
        stage, index, role = name.split("/")
        ours[name] = draw.uniform(0.5, 1.5, built.shape).astype(np.float32)
        turned = ours[name].transpose(3, 2, 0, 1) if role == "kernel" else ours[name]
        theirs[f"{stage}.{index}.{roles.get(role, 'running_var')}"] = turned
    write_safetensors(file, theirs)
    return ours


@pytest.mark.backend
@pytest.mark.usefixtures("extended")
def test_weights_that_others_published_are_found_and_read(tmp_path, monkeypatch):
    from headstart.engine.network.assemble import build_backbone
    from headstart.specs import Backbone
    from headstart.weights.source import load_arrays

    registry = load_registry()
    spec = registry.get("backbones", "template/steps")
    (shapes,) = spec.weights
    inputs = {"image": TensorSpec(BACKBONE_SIZE["image"], "float32")}
    stages = build_backbone(spec, registry, options=spec.options(width=4), inputs=inputs)
    expected = write_published(tmp_path / shapes.origin.filename, stages)
    monkeypatch.setenv("HEADSTART_WEIGHTS", str(tmp_path))
    arrays = load_arrays(shapes, spec, backbone=Backbone(stages), registry=registry)
    assert set(arrays) == set(expected)
    assert all(np.array_equal(arrays[name], expected[name]) for name in expected)

    write_published(tmp_path / shapes.origin.filename, stages[:2])
    with pytest.raises(errors.WrongWeightsError, match=r"missing top\.0\.weight"):
        load_arrays(shapes, spec, backbone=Backbone(stages), registry=registry)


FIT = """
import sys
sys.path[:0] = sys.argv[1:]
from pathlib import Path
import numpy as np
import headstart
from headstart.backend import activate, choose_backend
activate(choose_backend("torch"))
from headstart.engine.network.assemble import build_backbone
from headstart.specs import TensorSpec
from headstart.weights.files import read_safetensors
from bars import write_bars
from test_guide_code import write_published

registry, folder = headstart.load_registry(), Path("some network")
spec = registry.resolve_backbone(str(folder.absolute()))
inputs = {"image": TensorSpec((32, 32, 3), "float32")}
stages = build_backbone(spec, registry, options=spec.options(width=24), inputs=inputs)
ours = write_published(folder / "weights.safetensors", stages)
write_bars(Path("bars.npz"))
headstart.fit("arrays:bars.npz", backbone="./some network", strategy="probe", reporters=["table"], out="run")
kept = read_safetensors(Path("run/artefact/weights.safetensors"))
print(len(ours), all(np.array_equal(kept[name], ours[name]) for name in ours))
print(headstart.Artefact.load("run/artefact").blueprint.backbone_options.width)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_a_run_starts_from_the_weights_in_a_folder_and_its_model_needs_no_folder(extended, examples, tmp_path, run):
    imported = (examples / "plugin-template" / "tests", __file__.rpartition("/")[0])
    done = run(sys.executable, "-c", FIT, *imported, cwd=tmp_path, site=extended)
    assert done.stdout.splitlines() == ["25 True", "24"]


@pytest.mark.slow
def test_the_network_learns_the_digits_as_well_as_the_guide_says(guide, template_site, tmp_path, run):
    (tmp_path / "make_digits.py").write_text(guide.code("make_digits.py"), encoding="utf-8")
    run(sys.executable, "make_digits.py", cwd=tmp_path)
    (line,) = re.findall(r"^headstart (fit .*) --out runs/digits$", guide.text, re.M)
    command = (sys.executable, "-c", "from headstart_cli.main import run; run()", *line.split())
    done = run(*command, "--backend", "torch", "--reporter", "table", "--json", cwd=tmp_path, site=template_site)
    assert json.loads(done.stdout)["metrics"]["test"]["accuracy"] == pytest.approx(0.97, abs=0.015)

"""What shells are offered while a command line is typed: asked as their scripts ask, and in the shells themselves."""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from headstart.runs.folder import RUNS
from headstart.testing import write_distribution
from headstart_cli import completion
from headstart_cli.main import run_arguments

HEADSTART = Path(sys.executable).with_name("headstart")


def environment(**more):
    paths = os.pathsep.join([str(HEADSTART.parent), os.environ["PATH"]])
    return {**os.environ, "PATH": paths, **more}


def asked(*words, folder=None, **more):
    """What the script for bash gets on stdout, and all that is on stderr."""
    variables = environment(**line_of(*words), **more)
    return subprocess.run([HEADSTART], cwd=folder, env=variables, capture_output=True, text=True, check=False)


def line_of(*words):
    return {
        "COMP_WORDS": "\n".join(["headstart", *words]),
        "COMP_CWORD": str(len(words)),
        "_HEADSTART_COMPLETE": "complete_bash",
    }


@pytest.fixture
def offered(monkeypatch, capfd):
    """`offered(*words, folder=FOLDER)`: the words that bash gets, asked in this process."""

    def offered(*words, folder=None):
        with monkeypatch.context() as changed:
            for name, value in line_of(*words).items():
                changed.setenv(name, value)
            if folder is not None:
                changed.chdir(folder)
            with suppress(SystemExit):
                run_arguments([])
        return capfd.readouterr().out.split()

    return offered


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("pretr",), ["pretrain"]),
        (("fit", "--backbone", "lite"), ["lite0", "lite1", "lite2"]),
        (("pretrain", "--backbone", "efficientnet_lite/lite1"), ["efficientnet_lite/lite1"]),
        (("fit", "dig"), ["digits"]),
        (("fit", "digits", "--strategy", "l2"), ["l2_sp"]),
        (("fit", "--task", "regr"), ["regression"]),
        (("fit", "--augment", "mix"), ["mixup"]),
        (("fit", "--augment", "au"), ["auto"]),
        (("fit", "--reporter", "cur"), ["curves"]),
        (("fit", "--engine", "nat"), ["native"]),
        (("fit", "--backend", "t"), ["torch"]),
        (("fit", "--backbone", "lite0", "--weights", "i"), ["imagenet"]),
        (("fit", "--disable-plugin", "keras_a"), ["keras_applications"]),
        (("fit", "--strategy", "lora", "--set", "strategy.ra"), ["strategy.rank=8"]),
        (("fit", "--set", "split.t"), ["split.test=0.2", "split.train=1.0"]),
        (("fit", "--set", "task.balance="), None),
        (("fit", "--head", "fl"), ["flatten:512"]),
        (("weights", "get", "mobilenet_v2"), ["mobilenet_v2/imagenet"]),
        (("backbones", "lite2"), ["lite2"]),
        (("strategies", "scr"), ["scratch"]),
        (("compare", "digits", "--strategy", "lp"), ["lp_ft"]),
        (("augmentations", "sh"), ["show"]),
        (("augmentations", "show", "digits", "class"), ["classic"]),
        (("weights", "get", "lite0"), ["lite0"]),
        (("evaluate", "RUN", "--split", "tr"), ["train"]),
    ],
)
def test_a_word_that_is_begun_is_completed(offered, words, found):
    given = offered(*words)
    assert given == found if found is not None else len(given) > 1, given


def test_a_plugin_that_is_left_out_offers_nothing(offered):
    assert offered("fit", "--disable-plugin", "efficientnet_lite", "--backbone", "lite") == []


def test_a_flag_with_a_value_is_never_taken_for_data(offered):
    """`--version` acts at once, but for a line that is only being typed."""
    assert offered("--version", "pretr") == ["pretrain"]


@pytest.fixture
def place(tmp_path):
    """A folder with finished runs, one that was stopped, files, and a name that a shell would take apart."""
    for name, files in {
        "runs/done": ("recipe.toml", "result.json"),
        "runs/stopped": ("recipe.toml",),
        "other/mine": ("recipe.toml", "result.json"),
        "other/my $(touch gone)": ("recipe.toml", "result.json"),
        "digits_of_mine": ("a.png",),
        "photos": ("a.png",),
    }.items():
        (tmp_path / name).mkdir(parents=True)
        for file in files:
            (tmp_path / name / file).touch()
    return tmp_path


@pytest.mark.parametrize(
    "verb",
    [["evaluate"], ["fit", "--backbone"], ["fit", "--continue"]],
    ids=" ".join,
)
def test_finished_runs_are_offered_below_runs_and_where_the_word_points(offered, place, verb):
    assert offered(*verb, "ru", folder=place) == ["runs/done"]
    assert offered(*verb, "other/m", folder=place) == ["other/mine"]
    assert offered(*verb, f"{place}/runs/", folder=place / "photos") == [f"{place}/runs/done"]
    assert offered(*verb, "ph", folder=place) == []


def test_data_is_a_dataset_or_what_lies_beside_it_and_else_left_to_the_shell(offered, place):
    assert offered("fit", "dig", folder=place) == ["digits", "digits_of_mine"]
    assert offered("fit", "ph", folder=place) == []


def test_runs_are_looked_for_where_they_are_made():
    assert str(RUNS) == completion.RUNS


@pytest.mark.parametrize(
    "words",
    [
        ("fit", "--recipe"),
        ("fit", "--out"),
        ("predict", "RUN"),
        ("evaluate", "RUN", "--predictions"),
        ("lr", "--out"),
        ("init",),
    ],
)
def test_paths_are_left_to_the_shell(offered, place, words):
    """Were the begun word itself offered, bash would take it for whole."""
    assert offered(*words, "ph", folder=place) == []


BROKEN = "import os\nprint('loud')\nos.write(2, b'louder')\nraise RuntimeError('broken')\n"


def test_a_broken_plugin_neither_shows_nor_hides_what_others_offer(tmp_path):
    write_distribution(tmp_path, "loud", BROKEN)
    found = asked("fit", "--backbone", "lite", PYTHONPATH=str(tmp_path))
    assert (found.returncode, found.stdout.split(), found.stderr) == (0, ["lite0", "lite1", "lite2"], "")
    found = asked("fit", "--disable-plugin", "lo", PYTHONPATH=str(tmp_path))
    assert found.stdout.split() == ["loud"]


LOADED = """
import sys
from headstart_cli.main import run_arguments
run_arguments([])
print([name for name in ("numpy", "keras", "torch", "jax") if name in sys.modules], file=sys.stderr)
"""


def test_no_framework_is_loaded():
    line = {"COMP_WORDS": "headstart\nfit\n--set\nstrategy.", "COMP_CWORD": "3", "_HEADSTART_COMPLETE": "complete_bash"}
    done = subprocess.run([sys.executable, "-c", LOADED], env=environment(**line), capture_output=True, text=True)
    assert "strategy.rank=8" in done.stdout
    assert done.stderr.strip() == "[]"


def test_bash_completes_what_its_script_is_asked(place):
    script = subprocess.run(
        [HEADSTART, "--show-completion", "bash"],
        env=environment(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1"),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    lines = """
        COMP_WORDS=(headstart fit --backbone lite); COMP_CWORD=3
        _headstart_completion headstart; echo "${COMPREPLY[*]}"
        COMP_WORDS=(headstart fit --set strategy.optimizer = sg); COMP_CWORD=5
        _headstart_completion headstart; echo "${COMPREPLY[*]}"
        COMP_WORDS=(headstart fit --set strategy.schedule =); COMP_CWORD=4
        _headstart_completion headstart; echo "${COMPREPLY[*]}"
        COMP_WORDS=(headstart fit --set strategy.rank = 8 --backbone = lite --epochs 3); COMP_CWORD=8
        _headstart_completion headstart; echo "${COMPREPLY[*]}"
        COMP_WORDS=(headstart fit --recipe ru); COMP_CWORD=3
        _headstart_completion headstart; echo "${#COMPREPLY[@]}"
        complete -p headstart
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script + lines],
        cwd=place,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    lite = "lite0 lite1 lite2"
    assert done.stdout.splitlines()[:5] == [lite, "sgd", "cosine constant", lite, "0"]
    assert "-o default" in done.stdout, "where nothing is offered, files are"


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_names_and_files(place):
    script = subprocess.run(
        [HEADSTART, "--show-completion", "fish"],
        env=environment(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1"),
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    def completed(line):
        command = f"{script}\ncomplete -C '{line}'"
        variables = environment(HOME=str(place))
        done = subprocess.run(
            ["fish", "-c", command], cwd=place, env=variables, capture_output=True, text=True, check=True
        )
        return [each.partition("\t")[0] for each in done.stdout.splitlines()]

    assert completed("headstart fit --backbone lite") == ["lite0", "lite1", "lite2"]
    assert completed("headstart fit --recipe pho") == ["photos/"]
    assert completed("headstart evaluate ru") == ["runs/done"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
@pytest.mark.parametrize(
    "kind",
    [
        "backbones",
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("datasets", "strategies", "augmentations")),
    ],
)
def test_zsh_can_evaluate_what_it_is_given(offered, kind):
    """With a sentence beside each word; what stands in summaries must not be taken for zsh's own."""
    line = {"_TYPER_COMPLETE_ARGS": f"headstart {kind} ", "_HEADSTART_COMPLETE": "complete_zsh"}
    program = '_arguments() { print -rl -- "$@" }; eval $(headstart)'
    done = subprocess.run(["zsh", "-fc", program], env=environment(**line), capture_output=True, text=True, check=True)
    names = offered(kind, "")
    assert len(names) > 2
    assert done.stderr == ""
    assert all(f'"{name}"' in done.stdout for name in names)

"""Everything a user can get wrong: one clear error that says what to do, the promised exit code, no traceback."""

import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

SMALL = ("--set", "input.size=32", "--strategy", "probe", "--reporter", "console", "--weights", "none")


def picture(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(path)


def folder(root, **counts):
    """A class folder for each name, with as many different pictures."""
    for number, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for index in range(count):
            picture(root / name / f"{index}.png", seed=1000 * number + index)
    return root


def refused(done, code, *words):
    """Check one refusal; nothing on stdout, since that is for data."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "error: " in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.fixture
def fit(headstart):
    return lambda *arguments, **more: headstart("fit", *arguments, **more)


@pytest.fixture
def refuse(here):
    """As `fit`, in this process, for what is refused before a framework is loaded."""
    return lambda *arguments, **more: here("fit", *arguments, **more)


def test_a_path_that_is_not_there(fit, tmp_path):
    refused(fit(tmp_path / "photos", *SMALL), 2, "no such", "photos")


def test_an_unknown_name_gets_a_suggestion(refuse):
    refused(refuse("digits", "--backbone", "efficientnet_lite/lite7"), 2, "did you mean efficientnet_lite/lite")


def test_all_problems_come_in_one_message(refuse):
    done = refuse("digits", "--strategy", "lp_tf", "--augment", "clasic", "--head", "mpl", "--set", "epochs=0")
    refused(done, 2, "lp_ft", "classic", "mlp", "epochs", "4 problems")


def test_an_option_with_nothing_to_act_on_is_refused_before_the_data_is_read(refuse, tmp_path):
    done = refuse(tmp_path, *SMALL, "--set", "strategy.epochs=5")
    refused(done, 2, "strategy.epochs (--set): 5 has nothing to act on", "probe (closed form)", "leave it out")


def test_an_empty_folder(refuse, tmp_path):
    refused(refuse(tmp_path, *SMALL), 3, str(tmp_path))


def test_one_class(refuse, tmp_path):
    refused(refuse(folder(tmp_path / "pets", cat=8), *SMALL), 3, "'cat'", "two classes")


def test_an_unreadable_file_is_named(refuse, tmp_path):
    pets = folder(tmp_path / "pets", cat=8, dog=8)
    (pets / "cat" / "broken.png").write_bytes(b"this is no picture")
    refused(refuse(pets, *SMALL), 3, "cat/broken.png")


def test_a_wrong_weights_file_says_which_arrays_differ(fit, tmp_path):
    from safetensors.numpy import save_file

    save_file({"stem/0/kernel": np.zeros((5, 5, 3, 32), np.float32)}, tmp_path / "w.safetensors")
    done = fit("digits", *SMALL[:6], "--limit", "60", "--weights", tmp_path / "w.safetensors")
    refused(done, 2, "w.safetensors", "missing", "stem/0/kernel", "(5, 5, 3, 32)", "more")


def test_weights_that_are_not_here_say_how_to_get_them(fit, tmp_path):
    """An address that nobody answers stands for a machine without internet."""
    done = fit(
        "digits", *SMALL[:6], "--backbone", "vgg16", HEADSTART_HOME=str(tmp_path), https_proxy="http://127.0.0.1:9"
    )
    refused(done, 2, "vgg16", "--weights")


def test_no_backend_says_what_to_install(fit, tmp_path):
    """A finder that hides both frameworks stands for a machine that has neither."""
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u, importlib.machinery as m, sys\n"
        "class Hide:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('jax', 'torch'): raise ModuleNotFoundError(name)\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda n, p=None: None if n.partition('.')[0] in ('jax', 'torch') else find(n, p)\n"
        "sys.meta_path.insert(0, Hide())\n"
    )
    refused(fit("digits", *SMALL, PYTHONPATH=str(tmp_path)), 2, "no backend", "headstart[jax]", "headstart[torch]")


def test_an_unknown_backend(refuse):
    refused(refuse("digits", *SMALL, "--backend", "tensorflow"), 2, "tensorflow", "jax or torch")


def test_a_run_folder_that_is_taken(refuse, tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    refused(refuse("digits", *SMALL, "--out", tmp_path), 2, "not empty", str(tmp_path))
    assert (tmp_path / "note.txt").read_text() == "mine"


def test_a_run_folder_that_cannot_be_made(refuse, tmp_path):
    """A file in the way, since the tests may run as a user whom no permission stops."""
    (tmp_path / "file").write_text("")
    refused(refuse("digits", *SMALL, "--out", tmp_path / "file" / "run"), 1, str(tmp_path / "file"))


def test_a_run_folder_that_is_a_link_to_nowhere(refuse, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    done = refuse("digits", *SMALL, "--out", tmp_path / "link")
    refused(
        done, 1, f"cannot write {tmp_path}/link: {tmp_path}/link is a link to {tmp_path}/nowhere, which is not there"
    )


def test_a_working_folder_that_is_gone(fit, tmp_path):
    (tmp_path / "gone").mkdir()
    leave = f'cd {tmp_path}/gone && rmdir {tmp_path}/gone && exec "$@"'
    done = fit("digits", *SMALL, before=("sh", "-c", leave, "sh"))
    refused(done, 1, "cannot write runs: the working folder is not there any more", "--out")


UNSHARE = ("unshare", "--mount", "--map-root-user")
CAN_MOUNT = (
    shutil.which("unshare")
    and not subprocess.run(
        [*UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
    ).returncode
)


@pytest.mark.slow
@pytest.mark.skipif(not CAN_MOUNT, reason="a small disk can only be mounted where user namespaces are allowed")
def test_no_space_for_the_run_folder(fit, tmp_path):
    """A disk of 64 KiB, mounted for this process alone."""
    mount = f'mount -t tmpfs -o size=64k none {tmp_path} && exec "$@"'
    done = fit("digits", *SMALL, "--limit", "60", "--out", tmp_path / "run", before=(*UNSHARE, "sh", "-c", mount, "sh"))
    assert done.returncode == 1, done.stderr
    assert "No space left on device" in done.stderr
    assert str(tmp_path / "run") in done.stderr
    assert "choose another folder with --out" in done.stderr
    assert "Traceback" not in done.stderr


def test_something_that_is_not_a_run(here, tmp_path):
    refused(here("predict", tmp_path, tmp_path), 2, "not a finished run")
    refused(here("evaluate", tmp_path / "none"), 2, "no such run")


def test_debug_shows_the_traceback(fit):
    done = fit("nothing-of-the-kind", "--debug")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_a_run_to_go_on_with_that_is_not_there_and_one_that_is_named_beside_something_else(refuse, tmp_path):
    nowhere = tmp_path / "nowhere"
    refused(refuse("--continue", nowhere), 2, f"no such run: {nowhere}", "the folder of a finished run")
    refused(refuse("digits", "--head-from", nowhere), 2, "head_from (flag --head-from)", f"no such run: {nowhere}")
    done = refuse("--continue", nowhere, "--backbone", "efficientnet_lite/lite0", "--resume")
    refused(done, 2, "flag --backbone says efficientnet_lite/lite0", f"--continue {nowhere}", "--resume", "2 problems")

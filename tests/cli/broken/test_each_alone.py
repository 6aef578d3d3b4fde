"""Beside each broken plugin everything else works, and its failure is told in one line with name and version."""

import json

import pytest


def test_pip_installed_it(broken, site):
    assert (site / broken.metadata / "INSTALLER").read_text(encoding="utf-8").strip() == "pip"
    assert (site / f"{broken.module}.py").is_file()


def test_plugins_names_it_with_its_version_and_failure_and_all_others_are_ready(broken, alone, ask):
    alone(broken)
    code, out, _ = ask("plugins", "--json")
    assert code == 0
    plugins = json.loads(out)
    (found,) = (each for each in plugins if each["distribution"] == broken.distribution)
    assert (found["name"], found["version"]) == (broken.name, broken.version)
    assert (broken.told is None) == (found["error"] is None)
    assert (broken.told or "") in (found["error"] or "")
    assert {"strategies", "digits", "keras_applications"} <= {each["name"] for each in plugins}
    assert [each["distribution"] for each in plugins if each["error"]] == [broken.distribution] * bool(broken.told)


def test_doctor_tells_its_failure_in_one_line_and_what_to_do_in_another(failing, alone, ask):
    alone(failing)
    code, out, _ = ask("doctor")
    assert code == 0
    (told,) = (line for line in out.splitlines() if "FAILED" in line)
    assert told.startswith(f"{failing.name} ({failing.distribution} {failing.version}): FAILED: ")
    assert failing.told in told
    (advice,) = (line for line in out.splitlines() if line.startswith(f"- {failing.origin} failed: "))
    assert f"update or remove {failing.distribution}" in advice


@pytest.mark.parametrize("asking", [("backbones",), ("fit", "digits", "--weights", "none", "--backbone")])
def test_asking_for_one_of_its_names_prints_its_error_and_exits_5(named, alone, ask, asking, tmp_path):
    alone(named)
    folder = ("--out", tmp_path / "run") if asking[0] == "fit" else ()
    code, out, err = ask(*asking, f"{named.name}/net", *folder)
    assert (code, out) == (5, "")
    told, hint = err.splitlines()
    assert told.startswith(f"error: '{named.name}/net' is not available: {named.origin} failed: ")
    assert named.told in told
    assert hint.startswith("hint: install what it needs")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_fit_with_built_ins_works_beside_it(training, alone, headstart, small_plugin, tmp_path):
    path = f"{alone(training)}:{small_plugin}"
    flags = ("--limit", "60", "--strategy", "probe", "--weights", "none", "--backbone", "small/net")
    done = headstart(
        "fit", "digits", *flags, "--backend", "torch", "--out", tmp_path / "run", "--json", PYTHONPATH=path
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["backend"] == "torch"

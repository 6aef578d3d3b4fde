"""With every broken plugin installed headstart starts, lists, diagnoses and trains: processes as a user starts them."""

import json
import shutil

import pytest


@pytest.fixture
def run(site, headstart):
    """Run a verb beside all of them; it must go well. Its stdout and stderr."""

    def run(*arguments, path=site):
        done = headstart(*arguments, PYTHONPATH=str(path))
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr

    return run


def test_there_are_more_than_the_twelve_kinds_that_were_promised(every_failing):
    assert len({each.kind for each in every_failing}) > 12


def test_help_is_the_same_as_without_them_and_hears_of_none(run, headstart):
    assert run("--help") == (headstart("--help").stdout, "")


def test_plugins_tells_each_failure_and_everybody_else_is_ready(run, every_failing):
    out, err = run("plugins", "--json")
    assert {"hello", "children"} <= set(err.splitlines())  # what plugins print is not lost, and not data
    told = {(each["distribution"], each["name"]): each for each in json.loads(out)}
    for each in every_failing:
        found = told.pop((each.distribution, each.name))
        assert found["version"] == each.version
        assert each.told in found["error"]
    assert [each["name"] for each in told.values() if each["error"]] == []
    assert {"headstart", "headstart-broken-prints", "headstart-broken-streams"} <= {name for name, _ in told}


@pytest.mark.parametrize("verb", ["plugins", "doctor"])
def test_there_is_one_line_for_each(run, every_failing, verb):
    lines = [line for line in run(verb)[0].splitlines() if "FAILED" in line]
    assert len(lines) == len(every_failing)
    for each in every_failing:
        (line,) = (line for line in lines if f"{each.distribution} {each.version}" in line)
        assert each.told in line


def test_doctor_says_what_to_do_about_each(run, every_failing):
    advice = json.loads(run("doctor", "--json")[0])["advice"]
    for each in every_failing:
        (line,) = (line for line in advice if line.startswith(f"{each.origin} failed: "))
        assert f"update or remove {each.distribution}" in line
        # the built-in of that name must stay
        assert ("--disable-plugin" in line) == (each.kind != "duplicate")


def test_names_of_each_are_exit_5_and_other_names_are_not(site, headstart):
    failed = headstart("backbones", "broken_exit/net", PYTHONPATH=str(site))
    assert (failed.returncode, failed.stdout) == (5, "")
    assert "headstart-broken-exit 0.4" in failed.stderr
    assert "Traceback" not in failed.stderr
    unknown = headstart("strategies", "lp_tf", PYTHONPATH=str(site))
    assert unknown.returncode == 2
    assert "did you mean strategies/lp_ft?" in unknown.stderr
    assert "broken_exit" in unknown.stderr


def test_a_name_that_is_taken_stays_the_built_ins(run, site, headstart):
    found = json.loads(run("datasets", "digits/digits", "--json")[0])
    assert found["plugin"]["distribution"] == "headstart"
    refused = headstart("datasets", "digits/photos", PYTHONPATH=str(site))
    assert refused.returncode == 2
    assert "these plugins failed and are left out" in refused.stderr


@pytest.mark.slow
def test_a_fit_with_built_ins_runs_to_its_end(run, site, small_plugin, every_failing, tmp_path):
    readable = shutil.copytree(site, tmp_path / "site", ignore=shutil.ignore_patterns("headstart_broken_points*"))
    data = ("fit", "digits", "--limit", "60", "--out", tmp_path / "run", "--json")
    plan = ("--strategy", "probe", "--weights", "none", "--backbone", "small/net", "--backend", "torch")
    out, _ = run(*data, *plan, path=f"{readable}:{small_plugin}")
    result = json.loads(out)
    assert (result["backend"], result["backbone"]) == ("torch", "small/net")
    assert result["classes"] == list("0123456789")
    environment = json.loads((tmp_path / "run" / "environment.json").read_text(encoding="utf-8"))
    recorded = {(each["distribution"], each["name"]): each["error"] for each in environment["plugins"]}
    beside = [each for each in every_failing if each.kind != "points"]
    assert all(each.told in recorded[each.distribution, each.name] for each in beside)

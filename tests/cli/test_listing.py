"""Listings are data on stdout: one JSON document, or a table that a pipe does not cut."""

import json

import pytest

from headstart.host import verification
from headstart.registry import load_registry
from headstart_cli.main import run_arguments

KINDS = tuple(kind for kind in verification.KINDS if kind != "lowerings")


@pytest.fixture
def listing(capsys):
    def read(*arguments):
        assert run_arguments([*arguments]) == 0
        return capsys.readouterr().out

    return read


@pytest.mark.parametrize("kind", KINDS)
def test_a_listing_as_json_is_an_array_of_objects_with_names(listing, kind):
    names = [each["name"] for each in json.loads(listing(kind, "--json"))]
    assert names == [spec.name for spec in load_registry().specs(kind)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_listing_as_text_shows_every_name_and_sentence_in_full(listing, kind):
    text = listing(kind)
    for spec in load_registry().specs(kind):
        assert spec.name in text
        assert spec.summary in text


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "backbones"])
def test_each_offer_can_be_shown_in_full_with_its_options(listing, kind):
    for spec in load_registry().specs(kind):
        document = json.loads(listing(kind, spec.name, "--json"))
        assert document["name"] == spec.name
        assert document["plugin"]["version"]
        text = listing(kind, spec.name)
        for option in document["options"]:
            assert option["name"] in text
            assert option["help"] in text


def test_an_unknown_name_is_exit_2_with_a_suggestion(capsys):
    assert run_arguments(["augmentations", "clasic"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "did you mean image_augmentations/classic?" in err


def test_a_plugin_that_is_left_out_offers_nothing(listing):
    names = [each["name"] for each in json.loads(listing("strategies", "--json", "--disable-plugin", "strategies"))]
    assert names == []


def test_a_backbone_is_shown_without_shapes_where_no_backend_is_installed(listing, monkeypatch, capsys):
    monkeypatch.setattr("headstart.backend.installed_backends", lambda: ())
    text = listing("backbones", "lite0")
    spec = load_registry().get("backbones", "lite0")
    for stage in spec.stages:
        assert stage in text
    for feature in spec.features:
        assert feature.name in text
    for weights in spec.weights:
        assert weights.licence in text
        assert weights.digest in text


def test_a_backend_that_is_not_installed_is_exit_2_where_it_was_asked_for(monkeypatch, capsys):
    monkeypatch.setattr("headstart.backend.installed_backends", lambda: ())
    assert run_arguments(["backbones", "lite0", "--backend", "jax"]) == 2
    assert "headstart[jax]" in capsys.readouterr().err

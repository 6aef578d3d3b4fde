"""The flags that scripts rely on are there, spelt as promised."""

import pytest
import typer

from headstart_cli.main import app

EVERYWHERE = {"--help", "--debug", "--disable-plugin"}

FIT = {
    *("--recipe", "--backbone", "--weights", "--backend", "--task", "--strategy", "--train", "--head"),
    *("--augment", "--epochs", "--batch-size", "--learning-rate", "--image-size", "--limit", "--seed"),
    *("--split-seed", "--out", "--reporter", "--set", "--resume", "--dry-run", "--json"),
}
PROMISED = {
    "fit": FIT,
    "pretrain": FIT,
    "compare": {
        *("--backbone", "--strategy", "--seeds", "--fractions", "--backend", "--out", "--resume", "--json"),
        *("--epochs", "--limit", "--image-size", "--jobs", "--threads", "--set"),
    },
    "evaluate": {"--split", "--backend", "--predictions", "--against", "--json"},
    "predict": {"--top-k", "--backend", "--json", "--csv"},
    "lr": {
        *("--recipe", "--backbone", "--weights", "--backend", "--strategy", "--train", "--head", "--augment"),
        *("--batch-size", "--image-size", "--limit", "--seed", "--set", "--from", "--to", "--steps", "--out", "--json"),
    },
    "rank": {
        *("--recipe", "--backbone", "--limit", "--backend", "--task", "--image-size", "--split-seed", "--engine"),
        *("--by", "--set", "--then-fit", "--out", "--json"),
    },
    "report": set(),
    "init": set(),
    "new-plugin": {"--out"},
    "doctor": {"--json"},
    "plugins": {"--json"},
    **{kind: {"--json"} for kind in ("backbones", "datasets", "inputs", "augmentations")},
    **{kind: {"--json"} for kind in ("strategies", "tasks", "reporters", "engines", "scores")},
}


def flags(command):
    return {spelling for parameter in command.params for spelling in parameter.opts} | {"--help"}


@pytest.mark.parametrize("verb", PROMISED)
def test_a_verb_has_its_promised_flags(verb):
    command = typer.main.get_command(app).commands[verb]
    assert PROMISED[verb] | EVERYWHERE <= flags(command)


def test_pretrain_has_the_flags_of_fit_and_no_others():
    commands = typer.main.get_command(app).commands
    fit, pretrain = ([parameter.opts for parameter in commands[verb].params] for verb in ("fit", "pretrain"))
    assert pretrain == fit


GROUPS = {
    "augmentations": {"show": {"--samples", "--views", "--seed", "--image-size", "--out"}},
    "datasets": {"make": {"--out", "--from", "--json"}},
    "weights": {"list": {"--json"}, "get": {"--json"}, "verify": {"--json"}},
    "cache": {
        "list": {"--json"},
        "size": {"--json"},
        "prune": {"--limit", "--json"},
        "clear": {"--kind", "--json"},
    },
}


@pytest.mark.parametrize(("group", "verb"), [(group, verb) for group, verbs in GROUPS.items() for verb in verbs])
def test_a_verb_of_a_group_has_its_promised_flags(group, verb):
    command = typer.main.get_command(app).commands[group].commands[verb]
    assert GROUPS[group][verb] | EVERYWHERE <= flags(command)

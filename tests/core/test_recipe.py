"""A recipe knows each value and where it came from; what is wrong is gathered, not raised one by one."""

import pytest

from headstart.errors import RecipeError, UsageError
from headstart.options import parse_options
from headstart.recipe import LEFT_TO_THE_STRATEGY, Recipe, convert_setting
from headstart.recipes.build import build_recipe
from headstart.recipes.file import write_recipe
from headstart_plugins.files import ManifestOptions


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "recipe.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def problems(recipe):
    return [str(problem) for problem in recipe.problems]


@pytest.mark.parametrize(("written", "value"), [("' '", " "), (" ", " "), (" | ", "|"), ('"; "', "; "), ("';'", ";")])
def test_a_value_in_quotes_is_text_without_them_and_a_space_can_be_one(written, value):
    recipe = build_recipe(flags={}, sets=[f"dataset.separator={written}", "out='my run'", "reporters='html',console"])
    options, problems = parse_options(ManifestOptions, recipe.options["dataset"], "dataset")
    assert (options.separator, problems) == (value, ())
    assert (str(recipe.out), recipe.reporters) == ("my run", ("html", "console"))


def test_nothing_said_gives_the_defaults():
    recipe = build_recipe(flags={})
    assert recipe == Recipe()
    assert (recipe.batch_size, recipe.augment, recipe.origin("batch_size")) == (32, ("none",), "default")


def test_flags_win_over_set_which_wins_over_the_file_which_wins_over_defaults(file):
    path = file("[fit]\nepochs = 1\nseed = 2\nlimit = 3\nbatch_size = 4\n")
    recipe = build_recipe(flags={"epochs": 10, "limit": None}, file=path, sets=["seed=20"])
    assert (recipe.epochs, recipe.seed, recipe.limit, recipe.batch_size, recipe.split_seed) == (
        10,
        20,
        3,
        4,
        0,
    )
    assert [recipe.origin(key) for key in ("epochs", "seed", "limit", "split_seed")] == [
        "flag --epochs",
        "--set",
        "file recipe.toml",
        "default",
    ]


def test_a_flag_that_is_no_setting_is_kept_for_the_input_kind():
    recipe = build_recipe(flags={"image_size": 96, "epochs": None, "max_tokens": None})
    assert recipe.flags == {"image_size": 96}
    assert recipe.origin("image_size") == "flag --image-size"
    assert recipe.options == {}
    assert problems(recipe) == []


def test_settings_say_themselves_which_are_numbers_and_which_the_strategy_may_hold():
    for name in ("checkpoint_every", "epochs", "learning_rate", "limit", "threads", "views"):
        assert convert_setting(name, "none") is None
    assert convert_setting("head", "none") == "none"
    assert set(LEFT_TO_THE_STRATEGY) == {"train", "views", "epochs", "learning_rate"}


def test_set_reaches_settings_and_option_tables():
    sets = ["fit.epochs=5", "batch-size=8", "strategy.backbone_rate=1e-4", "augmentation.classic.zoom=0.1"]
    recipe = build_recipe(flags={}, sets=sets)
    assert (recipe.epochs, recipe.batch_size) == (5, 8)
    assert recipe.options == {"strategy": {"backbone_rate": "1e-4"}, "augmentation.classic": {"zoom": "0.1"}}
    assert problems(recipe) == []


def test_names_in_lists_can_be_written_with_commas():
    recipe = build_recipe(flags={"train": "blocks, top", "augment": ["light"]}, sets=["reporters=console,html"])
    assert (recipe.train, recipe.augment) == (("blocks", "top"), ("light",))
    assert recipe.reporters == ("console", "html")


def test_the_word_none_keeps_its_own_meaning_for_weights_and_clears_numbers():
    recipe = build_recipe(flags={}, sets=["weights=none", "epochs=none"])
    assert (recipe.weights, recipe.epochs) == ("none", None)


def test_the_same_key_by_flag_and_set_is_a_problem_only_where_they_differ():
    assert problems(build_recipe(flags={"epochs": 5}, sets=["epochs=5"])) == []
    assert problems(build_recipe(flags={"learning_rate": 1e-3}, sets=["learning_rate=0.001"])) == []
    (problem,) = problems(build_recipe(flags={"epochs": 5}, sets=["epochs=6"]))
    assert problem == "epochs: flag --epochs says 5, --set says 6 (give it once)"
    (problem,) = problems(build_recipe(flags={}, sets=["epochs=5", "epochs=6"]))
    assert "given twice" in problem


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("epochs=0", "must be at least 1"),
        ("epochs=2.5", "must be int or none, not 2.5"),
        ("batch_size=0", "must be at least 1"),
        ("batch_size=65537", "must be at most 65536"),
        ("learning_rate=0", "must be above 0"),
        ("learning_rate=-1", "must be above 0"),
        ("learning_rate=2", "must be at most 1"),
        ("learning_rate=nan", "must be a finite number"),
        ("limit=0", "must be at least 1"),
        ("seed=-1", "must be at least 0"),
        ("split_seed=4294967296", "must be at most"),
        ("backend=tensorflow", "must be one of jax, torch"),
        ("precision=half", "must be one of float32, bfloat16, auto"),
        ("training_precision=half", "must be one of float32, bfloat16, auto"),
        ("batch_norm=moving", "must be one of frozen, re-estimated, trainable"),
        ("out=", "is empty"),
        ("epoch=5", "did you mean epochs?"),
        ("fit.epoch=5", "did you mean epochs?"),
        ("stratgy.epochs=5", "did you mean strategy?"),
        ("epochs", "expected key=value"),
        ("=5", "expected key=value"),
    ],
)
def test_a_wrong_value_or_key_is_one_problem_with_a_hint(written, message):
    (problem,) = problems(build_recipe(flags={}, sets=[written]))
    assert message in problem
    assert "--set" in problem


def test_several_problems_are_gathered_each_with_its_origin(file):
    path = file("[fit]\nepochs = 0\nbatchsize = 4\n")
    recipe = build_recipe(flags={"learning_rate": 7}, file=path, sets=["limit=x"])
    text = "\n".join(problems(recipe))
    for part in (
        "epochs (file recipe.toml)",
        "batchsize (file recipe.toml)",
        "learning_rate (flag --learning-rate)",
    ):
        assert part in text
    assert "limit (--set)" in text
    assert "batch_size" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = 5", "move it below a line [fit]"),
        ("[fits]\nepochs = 5", "did you mean fit?"),
        ("[strategie]\nx = 1", "did you mean strategy?"),
        ("strategy = 'lp_ft'", "stands outside a table|expected a table"),
        ("[augmentation]\nzoom = 1", "augmentation.zoom"),
    ],
)
def test_a_misplaced_table_or_key_of_a_file_is_told(file, text, message):
    with pytest.raises(RecipeError) as caught:
        build_recipe(flags={}, file=file(text))
    assert any(part in caught.value.message for part in message.split("|"))


def test_a_file_that_is_no_toml_names_file_and_line(file):
    with pytest.raises(UsageError, match=r"recipe\.toml is not TOML.*line 2"):
        build_recipe(flags={}, file=file("[fit]\nepochs = = 3\n"))


def test_a_file_that_is_no_utf_8_is_refused_but_for_what_a_run_wrote(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_bytes(b'[fit]\ndata = "d\xe9ja"\n')
    with pytest.raises(UsageError, match=r"cannot read the recipe \S+recipe\.toml: 'utf-8' codec"):
        build_recipe(flags={}, file=path)
    written = build_recipe(flags={"data": "d\udce9ja"})
    write_recipe(written, path)
    assert build_recipe(flags={}, file=path).data == "d\udce9ja"


def test_an_absent_file_and_a_folder_are_usage_errors(tmp_path):
    for path in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(UsageError):
            build_recipe(flags={}, file=path)

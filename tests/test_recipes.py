"""Recipes and options: every file can be used, and wrong names and values are explained."""

from dataclasses import fields
from pathlib import Path

import pytest

from deblur import PRESETS
from training.command_line import parse_options
from training.options import Recipe, RecipeError, TrainingOptions
from training.recipe_file import RECIPES_FOLDER, read_recipe, recipe_names
from training.schedule import learning_rate


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_can_be_used_and_says_where_it_comes_from(name):
    options = parse_options([name])
    assert options.recipe == name
    assert options.preset in PRESETS
    assert options.largest_patch <= options.rendering or not {"photos", "kernels"} & set(options.mix)
    assert 0 <= learning_rate(options, 0.0) <= options.learning_rate
    assert learning_rate(options, 0.999) <= options.learning_rate
    head = (RECIPES_FOLDER / f"{name}.toml").read_text(encoding="utf-8").split("\n\n")[0]
    assert all(f"# {word}" in head for word in ("Command:", "Duration:", "Score:"))


def test_every_network_of_the_papers_has_a_recipe():
    trained = {parse_options([name]).preset for name in recipe_names()}
    assert set(PRESETS) <= trained


def test_the_papers_numbers():
    nah, tao, noroozi = (read_recipe(name) for name in ("multi-scale-k3", "scale-recurrent", "deblurnet-wild"))
    assert (nah["batch"], nah["crop"], nah["steps"], nah["learning_rate"]) == (2, 256, 900_000, 5e-5)
    assert (tao["batch"], tao["steps"], tao["power"], tao["cell_gradient_norm"]) == (16, 2000 * 131, 0.3, 3)
    assert (noroozi["batch"], noroozi["decay"], noroozi["decay_every"]) == (10, 0.75, 10_000)


def rates(recipe, *steps):
    options = parse_options([recipe])
    return [learning_rate(options, step / options.steps) for step in steps]


def test_schedules_by_the_papers_numbers():
    assert rates("multi-scale-k3", 0, 299_999, 300_000, 899_999) == pytest.approx([5e-5, 5e-5, 5e-6, 5e-6])
    assert rates("multi-scale-k3-l1", 0, 65_500, 98_250, 117_900) == pytest.approx([1e-4, 5e-5, 2.5e-5, 1.25e-5])
    assert rates("scale-recurrent", 0, 131_000) == pytest.approx([1e-4, 1e-6 + 9.9e-5 * 0.5**0.3])
    assert rates("deblurnet-wild", 0, 9_999, 10_000, 25_000) == pytest.approx([1e-3, 1e-3, 7.5e-4, 1e-3 * 0.75**2])


def test_a_cosine_rises_and_falls():
    recipe = Recipe(schedule="cosine", warmup=0.1, learning_rate=1e-3, final_rate=1e-5)
    curve = [learning_rate(recipe, progress / 100) for progress in range(101)]
    assert max(curve) == curve[10] == pytest.approx(1e-3)
    assert curve[:11] == sorted(curve[:11])
    assert curve[10:] == sorted(curve[10:], reverse=True)
    assert curve[100] == pytest.approx(1e-5)
    assert learning_rate(Recipe(learning_rate=2e-4), 0.7) == 2e-4


def test_the_command_line_overrides_every_field():
    changes = "--batch 4 --mix photos=0.3 pairs=1 --no-channels-last --betas 0.9 0.9"
    options = parse_options(["scale-recurrent", *changes.split()])
    assert (options.batch, options.mix, options.channels_last) == (4, {"photos": 0.3, "pairs": 1.0}, False)
    assert options.betas == (0.9, 0.9)
    assert options.power == 0.3


@pytest.mark.parametrize("name", [entry.name for entry in fields(TrainingOptions) if entry.name != "recipe"])
def test_every_field_is_an_option(name):
    flag, default = f"--{name.replace('_', '-')}", getattr(TrainingOptions(), name)
    if isinstance(default, bool):
        assert getattr(parse_options([flag]), name) is True
        assert getattr(parse_options([flag.replace("--", "--no-")]), name) is False
    elif isinstance(default, dict):
        assert parse_options([flag, *(f"{name}={weight}" for name, weight in default.items())]).mix == default
    else:
        example = {"milestones": (3, 4), "pairs": (Path("a"), Path("b"))}
        value = example.get(name, Path("folder") if default is None else default)
        words = map(str, value if isinstance(value, tuple) else (value,))
        assert getattr(parse_options([flag, *words]), name) == value


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--learning-rat", "1"], "did you mean --learning-rate?"),
        (["--learning-rat", "1"], "--batch"),
        (["--pixel-loss", "huber"], "'mse', 'sse', 'l1', 'charbonnier', 'psnr'"),
        (["scale-recurent"], "there are deblurnet-si, deblurnet-wild"),
        (["--mix", "video=1"], "unknown source video; there are gopro, pairs, frames, photos, kernels"),
        (["--mix", "photos=0"], "expected weights"),
        (["--batch", "0"], "batch: expected at least 1, found 0"),
        (["--batch", "6", "--accumulate", "4"], "accumulate: 4 does not divide the batch of 6"),
        (["--warmup", "2"], "warmup: expected a number from 0 to 1"),
        (["--average-decay", "1"], "average_decay: expected a number from 0 to below 1"),
        (["--pairs", "a", "b", "c"], "or two folders, found 3"),
    ],
)
def test_a_wrong_option_is_explained(arguments, message, capsys):
    with pytest.raises(SystemExit):
        parse_options(arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batch = 2\nbatches = 3", r"unknown field 'batches' \(did you mean batch\?\); there are preset, mix"),
        ('batch = "two"', "batch: expected int, found 'two'"),
        ("batch = true", "batch: expected int, found True"),
        ('schedule = "linear"', "schedule: expected one of constant, steps, polynomial, cosine, found 'linear'"),
        ("batch = ", "is not TOML"),
        ('extends = "nothing"', "no recipe 'nothing'"),
        ("output = 'x'", "unknown field 'output'"),
    ],
)
def test_a_wrong_recipe_is_explained(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message):
        read_recipe(str(path))


def test_a_recipe_of_ones_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('extends = "scale-recurrent"\nlearning_rate = 1\nbatch = 3\n')
    options = parse_options([str(path), "--steps", "7"])
    assert (options.learning_rate, options.batch, options.steps, options.power) == (1.0, 3, 7, 0.3)

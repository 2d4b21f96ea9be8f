"""The options of a run from the command line, over those of a recipe."""

import argparse
import ast
import re
from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

from . import options as options_module
from .options import RecipeError, TrainingOptions
from .recipe_file import read_recipe, recipe_names, suggestion


def parse_options(arguments: Sequence[str] | None = None) -> TrainingOptions:
    """The options of a command line: the recipe's fields, then what the command line sets.

    Exits with a message on a wrong option or value.
    """
    parser = _parser()
    given, unknown = parser.parse_known_args(arguments)
    if unknown:
        names = [f"--{entry.name.replace('_', '-')}" for entry in fields(TrainingOptions) if entry.name != "recipe"]
        parser.error(f"unknown option {suggestion(unknown[0].split('=')[0], names)}")
    values = {name: value for name, value in vars(given).items() if value is not None}
    try:
        base = read_recipe(values["recipe"]) if "recipe" in values else {}
        hints = get_type_hints(TrainingOptions)
        for name in values:
            if get_origin(hints[name]) in (dict, tuple):
                values[name] = get_origin(hints[name])(values[name])
        return replace(TrainingOptions(), **(base | values))
    except RecipeError as error:
        parser.error(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.train",
        description="Trains a network by a recipe; every field of the recipe can be set here.",
        epilog=f"Recipes: {', '.join(recipe_names())}.",
        allow_abbrev=False,
    )
    parser.add_argument("recipe", nargs="?", help="name of a recipe, or path of a .toml file")
    hints, texts = get_type_hints(TrainingOptions), _docstrings()
    for entry in fields(TrainingOptions):
        if entry.name == "recipe":
            continue
        flag, kind, text = f"--{entry.name.replace('_', '-')}", hints[entry.name], texts[entry.name]
        if entry.name == "mix":
            parser.add_argument(flag, nargs="+", type=_weight, metavar="SOURCE=WEIGHT", help=text)
        elif kind is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        elif get_origin(kind) is Literal:
            parser.add_argument(flag, choices=get_args(kind), help=text)
        elif get_origin(kind) is tuple:
            types = get_args(kind)
            parser.add_argument(flag, nargs="+" if Ellipsis in types else len(types), type=types[0], help=text)
        else:
            parser.add_argument(flag, type=Path if kind == Path | None else kind, help=text)
    return parser


def _docstrings() -> dict[str, str]:
    """What stands below every field, for the command's help."""
    texts: dict[str, str] = {}
    for node in ast.parse(Path(options_module.__file__).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            for entry, below in pairwise(node.body):
                if isinstance(entry, ast.AnnAssign) and isinstance(entry.target, ast.Name):
                    text = ast.literal_eval(below.value) if isinstance(below, ast.Expr) else ""
                    text = re.sub(r":\w+:`([^`]*)`", r"\1", text).replace("``", "").replace("%", "%%")
                    texts[entry.target.id] = " ".join(text.split())
    return texts


def _weight(text: str) -> tuple[str, float]:
    kind, _, weight = text.partition("=")
    return kind, float(weight)

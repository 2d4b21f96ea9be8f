"""Recipes in TOML files, those of the papers and our own."""

import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from .options import Recipe, RecipeError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RECIPES_FOLDER = Path(__file__).with_name("recipes")


def recipe_names() -> list[str]:
    """The recipes that come with this project."""
    return sorted(path.stem for path in RECIPES_FOLDER.glob("*.toml"))


def read_recipe(name: str) -> dict[str, Any]:
    """The fields that a recipe sets.

    Args:
        name: Name of a recipe that comes with the project, or path of a TOML file. A file may name another with
            ``extends`` and set only what differs.

    Raises:
        RecipeError: No such recipe, not TOML, an unknown field, or a value of another kind.
    """
    path = Path(name) if name.endswith(".toml") else RECIPES_FOLDER / f"{name}.toml"
    if not path.is_file():
        raise RecipeError(
            f"no recipe {name!r}; there are {', '.join(recipe_names())}, or give the path of a .toml file"
        )
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not TOML: {error}") from error
    inherited = read_recipe(str(values.pop("extends"))) if "extends" in values else {}
    hints = get_type_hints(Recipe)
    for key, value in values.items():
        if key not in hints:
            raise RecipeError(f"{path}: unknown field {suggestion(key, list(hints))}")
        values[key] = _convert(f"{path}: {key}", value, hints[key])
    return inherited | values


def suggestion(name: str, names: list[str]) -> str:
    """A wrong name, what it was probably meant to be, and the right ones."""
    close = get_close_matches(name, names, 1)
    return f"{name!r}{f' (did you mean {close[0]}?)' if close else ''}; there are {', '.join(names)}"


def _convert(where: str, value: Any, kind: Any) -> Any:
    """A TOML value as the field's type."""
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise RecipeError(f"{where}: expected one of {', '.join(get_args(kind))}, found {value!r}")
        return value
    if get_origin(kind) is tuple and isinstance(value, list):
        return tuple(value)
    if get_origin(kind) is dict and isinstance(value, dict):
        return {key: float(weight) for key, weight in value.items()}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and type(value) is kind:
        return value
    raise RecipeError(f"{where}: expected {getattr(kind, '__name__', kind)}, found {value!r}")

"""Network configurations as plain data: to a dictionary for a file's header and back, strictly."""

from collections.abc import Iterable
from dataclasses import Field, fields
from reprlib import Repr
from typing import Any, ClassVar, Literal, Protocol, get_args, get_origin, get_type_hints

ADDED_LATER = {"added later": True}
"""Metadata of a field that older files lack; its default is what they mean."""


_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 100


class NetworkConfig(Protocol):
    """What every network configuration has: a frozen dataclass with the published system's name."""

    network: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]


def check_range(config: NetworkConfig, **bounds: tuple[int, int]) -> None:
    """Raises ValueError for an integer field outside its inclusive bounds.

    The upper bounds are far above any sensible network; they keep a hostile file from asking for one that would
    fill the memory.
    """
    hints = get_type_hints(type(config))
    for name, (low, high) in bounds.items():
        value = getattr(config, name)
        several = get_origin(hints[name]) is tuple
        if several and not isinstance(value, tuple):
            raise ValueError(f"{config.network}: {name} must be a list of numbers, found {short(value)}")
        for number in value if several else (value,):
            if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
                raise ValueError(
                    f"{config.network}: {name} must be an integer from {low} to {high}, found {short(value)}"
                )


def check_choices(config: NetworkConfig) -> None:
    """Raises ValueError for a ``Literal`` field without one of its values, or a ``bool`` field that is not one."""
    for name, hint in get_type_hints(type(config)).items():
        value = getattr(config, name)
        if get_origin(hint) is Literal and value not in get_args(hint):
            choices = ", ".join(map(str, get_args(hint)))
            raise ValueError(f"{config.network}: {name} must be one of {choices}; found {short(value)}")
        if hint is bool and not isinstance(value, bool):
            raise ValueError(f"{config.network}: {name} must be true or false, found {short(value)}")


def config_to_dict(config: NetworkConfig) -> dict[str, Any]:
    """The configuration with its network's name, of JSON types only.

    A field that was added later is left out while it has its default, so that older versions read the file.
    """
    values = {}
    for entry in fields(config):
        value = getattr(config, entry.name)
        if not is_added_later(entry) or value != entry.default:
            values[entry.name] = list(value) if isinstance(value, tuple) else value
    return {"network": config.network, **values}


def config_from_dict(data: dict[str, Any], kinds: tuple[type, ...]) -> Any:
    """The configuration that ``config_to_dict`` wrote.

    Args:
        data: Field names and values, and the network's name under ``network``.
        kinds: Configuration classes to choose from.

    Raises:
        ValueError: An unknown network, an unknown or missing key, or a value that the configuration refuses.
    """
    by_name = {kind.network: kind for kind in kinds}
    name = data.get("network")
    if not isinstance(name, str) or name not in by_name:
        raise ValueError(
            f"unknown network {short(name)}; this version knows {', '.join(by_name)}. "
            "The file may come from a newer version"
        )
    kind = by_name[name]
    known = [field.name for field in fields(kind)]
    given = {key: value for key, value in data.items() if key != "network"}
    if unknown := sorted(set(given) - set(known)):
        raise ValueError(f"{name}: unknown configuration key {listed(unknown)}; known are {', '.join(known)}")
    required = {field.name for field in fields(kind) if not is_added_later(field)}
    if missing := sorted(required - set(given)):
        raise ValueError(f"{name}: the configuration lacks {', '.join(missing)}")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in given.items()})


def is_added_later(entry: "Field[Any]") -> bool:
    """Whether files from before this field was added lack it."""
    return bool(entry.metadata.keys() & ADDED_LATER.keys())


def short(value: object) -> str:
    """A value from a file for an error message: not long, not deep, and nothing unprintable."""
    return _SHORT.repr(value)


def listed(names: Iterable[str], most: int = 4) -> str:
    """Names from a file for an error message: few of them, not long, and nothing unprintable."""
    names = [short(name)[1:-1] for name in names]
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest

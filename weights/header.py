"""The header of a safetensors file, held to more than the format asks for.

safetensors itself checks that the tensors' bytes lie one after another, fill the file and fit their shapes. It leaves
out what makes two programs read two things from one file, and what no network of this project has.
"""

import json
import re
from typing import Any

DTYPES = ("F64", "F32", "F16", "BF16", "I64")
"""What tensors may be stored as; I64 is for batch normalisation's counts."""
MAX_DIMENSIONS = 8
MAX_NAME_LENGTH = 200
METADATA = "__metadata__"

_UNPRINTABLE = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]"


def parse_json(text: str | bytes) -> Any:
    """JSON from a file of unknown origin.

    Raises:
        ValueError: It is not UTF-8 or not JSON, is nested too deep, names a key twice in one object, or holds control
            characters or half characters in a key or a text of an object.
    """
    try:
        # json.loads would take bytes for UTF-16 or UTF-32 where safetensors takes them for UTF-8.
        decoded = text.decode("utf-8") if isinstance(text, bytes) else text
        return json.loads(decoded, object_pairs_hook=_checked_object)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def check_tensors(header: dict[str, Any]) -> None:
    """Refuses tensors that no network of this project has.

    Args:
        header: The parsed header of a file that safetensors accepts.

    Raises:
        ValueError: A name that is long or not ASCII, a dtype that is not among ``DTYPES``, or a tensor without
            numbers.
    """
    for name, entry in header.items():
        if name == METADATA:
            continue
        shown = ascii(name[:MAX_NAME_LENGTH])
        if len(name) > MAX_NAME_LENGTH or not name.isascii():
            raise ValueError(f"the tensor name {shown} is longer than {MAX_NAME_LENGTH} characters or not ASCII")
        if entry["dtype"] not in DTYPES:
            raise ValueError(f"tensor {shown}: expected one of {', '.join(DTYPES)}, found {entry['dtype'][:20]}")
        if len(entry["shape"]) > MAX_DIMENSIONS or 0 in entry["shape"]:
            raise ValueError(
                f"tensor {shown}: expected at least one number and at most {MAX_DIMENSIONS} dimensions, "
                f"found shape {entry['shape'][:MAX_DIMENSIONS]}"
            )


def _checked_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if re.search(_UNPRINTABLE, key) or (isinstance(value, str) and re.search(_UNPRINTABLE, value)):
            raise ValueError(f"it has unprintable characters at the key {key[:MAX_NAME_LENGTH]!a}")
        if key in found:
            raise ValueError(f"it has the key {key[:MAX_NAME_LENGTH]!a} twice")
        found[key] = value
    return found

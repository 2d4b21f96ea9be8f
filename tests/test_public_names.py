"""Names that users type and import are promises; this list makes a change to them visible."""

import json
from pathlib import Path

import deblur
import weights

LIST = Path(__file__).with_name("public_names.json")


def current():
    return {
        "deblur": sorted(deblur.__all__),
        "weights": sorted(weights.__all__),
        "presets": list(deblur.PRESETS),
        "pyramid kernels": list(deblur.PYRAMID_KERNELS),
        "catalogue": list(weights.CATALOGUE),
    }


def test_public_names_are_those_in_the_list():
    assert current() == json.loads(LIST.read_text(encoding="utf-8")), (
        "Public names changed. If that is meant, keep the old name working or write a line in CHANGELOG.md, "
        f"and put this into {LIST.name}:\n{json.dumps(current(), indent=2)}"
    )


def test_every_public_name_exists_and_is_documented():
    for package in (deblur, weights):
        for name in package.__all__:
            thing = getattr(package, name)
            assert not callable(thing) or thing.__doc__ or name in ("Config", "Network", "Report"), (
                f"{name} has no docstring"
            )

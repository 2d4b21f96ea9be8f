"""From the options of a run to its mixture of sources."""

from collections.abc import Callable
from pathlib import Path

import torch
from tqdm import tqdm

from ..distributed import Team
from ..options import KINDS, RecipeError, TrainingOptions
from .frames import Frames
from .gopro import find_gopro
from .kernels import KernelBlur
from .mixture import Mixture
from .pairs import Pair, Pairs, find_pairs, match_pairs, store_pairs
from .photos import store_photographs
from .place import StoreOptions
from .reuse import Reuse
from .sequences import find_sequences, store_sequences
from .source import Source
from .virtual_camera import VirtualCamera

OPTION = {"gopro": "--gopro GOPRO_Large", "pairs": "--pairs FOLDER"}


def chosen_mix(options: TrainingOptions) -> dict[str, float]:
    """The weights of the sources for which there is data.

    Raises:
        RecipeError: No data is given, or data for a source that has no weight.
    """
    given = [kind for kind in KINDS if getattr(options, kind)]
    mix = {kind: options.mix.get(kind, 0.0) for kind in given}
    if without := [kind for kind in given if not mix[kind] > 0]:
        example = " ".join(f"{kind}={options.mix.get(kind, 1.0):g}" for kind in given)
        raise RecipeError(f"the recipe gives no weight to {', '.join(without)}; say how to mix: --mix {example}")
    if not mix:
        wanted = " or ".join(OPTION.get(kind, f"--{kind} FOLDER") for kind in options.mix)
        raise RecipeError(f"no training data: this recipe takes {wanted}")
    return mix


def describe_sources(options: TrainingOptions) -> str:
    """The training data in words."""
    names = {
        "gopro": f"GOPRO ({options.blurry}), training sequences",
        "pairs": f"pairs of {', '.join(path.name for path in options.pairs)}",
        "frames": f"averaged frames of {_name(options.frames)}",
        "photos": f"photographs of {_name(options.photos)}, blurred by the virtual camera",
        "kernels": f"photographs of {_name(options.kernels)}, convolved with motion kernels",
    }
    return "; ".join(f"{names[kind]} (weight {weight:g})" for kind, weight in chosen_mix(options).items())


def open_sources(options: TrainingOptions, team: Team) -> Mixture:
    """Finds, checks and decodes the training data.

    Raises:
        RecipeError: The options do not go with the data.
        FileNotFoundError, ValueError, OSError: Something is missing, unreadable, too small or not in pairs; the
            message names it.
    """
    mix = chosen_mix(options)
    store = StoreOptions(device=str(team.device), folder=options.cache, progress=team.leads)
    largest = options.largest_patch
    if largest > options.rendering and {"photos", "kernels"} & set(mix):
        raise RecipeError(f"rendering: patches of {largest} pixels need renderings at least as large")
    openers: dict[str, Callable[[], tuple[Source, int]]] = {
        "gopro": lambda: _pairs(_gopro(options, team), options, store, largest),
        "pairs": lambda: _pairs(_folders(options), options, store, largest),
        "frames": lambda: _frames(options, store, largest),
        "photos": lambda: _photos(options, store, team, mix["photos"] / sum(mix.values())),
        "kernels": lambda: _kernels(options, store, team),
    }
    sources: dict[str, Source] = {}
    for kind in mix:
        sources[kind], count = openers[kind]()
        if count < options.batch:
            raise RecipeError(
                f"{kind}: {count} images are fewer than the batch of {options.batch}; give more, or a smaller --batch"
            )
    return Mixture(sources, mix, options.batch, options.seed, describe_sources(options))


def _pairs(pairs: list[Pair], options: TrainingOptions, store: StoreOptions, largest: int) -> tuple[Pairs, int]:
    if options.validation:
        measured = {path.resolve() for pair in find_pairs(options.validation, options.blurry) for path in pair}
        if shared := [pair for pair in pairs if isinstance(pair[0], Path) and pair[0].resolve() in measured]:
            raise RecipeError(
                f"validation: {len(shared)} of its pairs are training pairs, such as {shared[0][0]}; keep them apart"
            )
    source = Pairs(store_pairs(pairs, store), options.seed)
    source.check(largest)
    return source, len(pairs)


def _gopro(options: TrainingOptions, team: Team) -> list[Pair]:
    assert options.gopro is not None
    found = find_gopro(options.gopro, "train", options.blurry, options.gopro_partial)
    if found.missing and team.leads:
        tqdm.write(f"training on a part of GOPRO: {found.missing}")
    return found.pairs


def _folders(options: TrainingOptions) -> list[Pair]:
    if len(options.pairs) == 2:
        return list(match_pairs(*options.pairs))
    return list(find_pairs(options.pairs[0], options.blurry))


def _frames(options: TrainingOptions, store: StoreOptions, largest: int) -> tuple[Frames, int]:
    assert options.frames is not None
    sequences = find_sequences([options.frames])
    images = store_sequences(sequences, store)
    lengths = (options.frames_least, options.frames_most)
    source = Frames(images, sequences, options.seed, lengths, (options.frames_gamma,))
    source.check(largest)
    return source, len(images)


def _photos(options: TrainingOptions, store: StoreOptions, team: Team, share: float) -> tuple[Reuse, int]:
    assert options.photos is not None
    photographs = store_photographs(options.photos, options.rendering, store)
    camera = VirtualCamera(photographs, seed=options.seed, device=_rendering_device(team))
    reuse = options.reuse / share
    return Reuse(camera, options.rendering, reuse, options.window, options.batch, options.seed), len(photographs)


def _kernels(options: TrainingOptions, store: StoreOptions, team: Team) -> tuple[KernelBlur, int]:
    assert options.kernels is not None
    photographs = store_photographs(options.kernels, options.rendering, store)
    return KernelBlur(photographs, seed=options.seed, device=_rendering_device(team)), len(photographs)


def _rendering_device(team: Team) -> torch.device:
    return team.device if team.device.type == "cuda" else torch.device("cpu")


def _name(path: Path | None) -> str:
    return path.name if path else ""

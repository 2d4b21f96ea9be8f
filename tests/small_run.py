"""Small training runs that tests start, also in processes of their own."""

import os
from dataclasses import replace
from pathlib import Path

import torch

from deblur import PRESETS, ScaleRecurrentConfig
from tests.noise_images import write_image, write_pair
from tests.stripes import Stripes
from training.data.mixture import Mixture
from training.data.reuse import Reuse
from training.distributed import join_team
from training.log_writer import LogWriter
from training.options import TrainingOptions
from training.state import TrainingState
from training.train import fit, setup

TINY = ScaleRecurrentConfig(
    scales=2, channels=(8, 8, 8), blocks=1, kernel_size=3, residual_output=True, stop_gradient=False, pyramid="area"
)

OPTIONS = TrainingOptions(
    preset="tiny",
    crop=16,
    batch=4,
    steps=12,
    optimiser="adamw",
    learning_rate=2e-3,
    schedule="cosine",
    average_decay=0.9,
    noise=2.0,
    device="cpu",
    workers=0,
    save_minutes=1e9,
    log_steps=1,
    deterministic=True,
)


def mixture(options):
    sources = {"pairs": Stripes(1), "photos": Reuse(Stripes(2), 40, 4, 64, options.batch, options.seed)}
    return Mixture(sources, {"pairs": 1.0, "photos": 1.0}, options.batch, options.seed)


def command(folder: Path, *more: str) -> list[str]:
    """Writes a few photographs, pairs and held-out pairs; returns a command line that trains on them in ``run``."""
    for number in range(4):
        write_image(folder / f"photographs/{number}.png", (80, 90), number)
        write_pair(folder / "pairs", f"{number}.png", size=(70, 70))
        write_pair(folder / "held", f"held-{number}.png", size=(70, 70))
    folders = {"--photos": "photographs", "--pairs": "pairs", "--validation": "held", "--output": "run"}
    words = [word for option, name in folders.items() for word in (option, str(folder / name))]
    sizes = ["--crop", "32", "--batch", "4", "--rendering", "64", "--window", "16"]
    return ["modern", *words, "--preset", "tiny", *sizes, "--device", "cuda", *more]


def train(output: Path, **fields) -> TrainingState:
    """A run, or the rest of one, by itself or as one of the processes that the environment names."""
    PRESETS["tiny"] = TINY
    torch.set_num_threads(1)
    options = replace(OPTIONS, output=output, **fields)
    team = join_team(options.device)
    state = setup(options, team.device)
    log = LogWriter(output, state.step, {}) if team.leads else None
    try:
        fit(state, options, mixture(options), team, log)
    finally:
        if log:
            log.close()
        team.end()
    return state


def train_as(rank: int, size: int, port: int, output: Path, fields: dict) -> None:
    """One process of a team, as ``torchrun`` would start it."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    train(output, **fields)

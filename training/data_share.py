"""How much of a training step waits for data: ``python -m training.data_share`` with the options of training.train.

Whole training steps on fresh batches of the run's sources are timed in turns with steps on a batch that lies ready.
Nothing is saved.
"""

import json
import sys
from dataclasses import asdict, replace

import torch

from .command_line import parse_options
from .data.mixture import batches
from .data.sources import open_sources
from .data.upload import upload
from .distributed import join_team
from .origin import device_name
from .restoration import Restoration
from .step import train_step
from .teacher import open_teacher
from .throughput import data_share
from .train import setup

WARM_UP, STEPS, REPEATS = 10, 60, 3


def main() -> None:
    options = parse_options()
    try:
        team = join_team(options.device)
        torch.backends.cudnn.benchmark = True
        # Nothing of the run's own folder is read, and patches are those of the run's later part.
        state = setup(replace(options, output=options.output / "none"), team.device)
        teacher = open_teacher(options, team.device)
        mixture = open_sources(options, team)
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"training.data_share: {error}")
    module, slots = Restoration(state.network), range(options.batch)
    workers = options.workers if mixture.on_cpu else 0
    stream = batches(mixture, slots, options.crop, 0, WARM_UP + STEPS * (REPEATS + 1), workers)
    found = data_share(
        lambda: upload(next(stream), team.device),
        lambda pairs: train_step(state, module, state.discriminator, pairs, options, slots, teacher=teacher),
        team.device,
        warm_up=WARM_UP,
        steps=STEPS,
        repeats=REPEATS,
    )
    print(json.dumps({"device": device_name(team.device), **asdict(found), "share": round(found.share, 4)}, indent=2))


if __name__ == "__main__":
    main()

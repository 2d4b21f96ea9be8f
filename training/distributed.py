"""One process or many: ``torchrun`` starts them, and they train on parts of every batch."""

import os
from dataclasses import dataclass

import torch
from torch import Tensor, distributed


@dataclass(frozen=True)
class Team:
    """The processes of a run, and which of them this is."""

    rank: int
    """Number of this process; the first one, 0, writes files and shows progress."""
    size: int
    """Number of processes."""
    device: torch.device
    """Device of this process."""

    @property
    def leads(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def slots(self, batch: int) -> range:
        """The patches of a batch that this process trains on."""
        share = batch // self.size
        return range(self.rank * share, (self.rank + 1) * share)

    def agree(self, progress: float, stop: bool) -> tuple[float, bool]:
        """Progress by the first process's clock, and whether any process was asked to stop.

        The processes tell each other on the CPU, so that nobody waits for a GPU.
        """
        if self.size == 1:
            return progress, stop
        said = torch.tensor([progress if self.leads else 0.0, float(stop)], dtype=torch.float64)
        distributed.all_reduce(said)
        progress, stops = said.tolist()
        return progress, stops > 0

    def mean(self, values: Tensor) -> Tensor:
        """The mean of a tensor over the processes."""
        if self.size == 1:
            return values
        total = values.clone()
        distributed.all_reduce(total)
        return total / self.size

    def wait(self) -> None:
        """Returns when every process has come here."""
        self.agree(0.0, False)

    def end(self) -> None:
        """Leaves the team."""
        if self.size > 1:
            distributed.destroy_process_group()


def join_team(device: str) -> Team:
    """This process's place among those that ``torchrun`` started, or a team of one.

    Args:
        device: ``auto`` for CUDA, or else the CPU; ``cuda`` gives every process of a machine a device of its own.

    Raises:
        RuntimeError: A CUDA device was asked for and there is none.
    """
    wants_cuda = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    if wants_cuda and not torch.cuda.is_available():
        raise RuntimeError(
            f"--device {device}: no CUDA device can be used here. Check that nvidia-smi lists one and that torch is a "
            "CUDA build (python -c 'import torch; print(torch.version.cuda)'), or give --device cpu"
        )
    size = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if wants_cuda:
        chosen = torch.device(device if ":" in device else f"cuda:{local}")
        torch.cuda.set_device(chosen)
    else:
        chosen = torch.device("cpu" if device == "auto" else device)
    if size == 1:
        return Team(0, 1, chosen)
    distributed.init_process_group("cpu:gloo,cuda:nccl" if wants_cuda else "gloo")
    return Team(distributed.get_rank(), size, chosen)

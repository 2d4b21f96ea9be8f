"""Learning from a larger network: knowledge distillation (Hinton, Vinyals, Dean 2015) for restoration.

A small network is compared with the sharp image and with what a larger network makes of the same blurry one. Where the
blur has destroyed what the sharp image shows, that is the easier lesson.
"""

import torch
from torch import Tensor, nn

from deblur import Network, restore_network
from weights import read_checkpoint

from .options import RecipeError, TrainingOptions
from .restoration import Restoration, restore_levels
from .state import place


class Teacher(nn.Module):
    """A trained network that is not trained any more.

    Shape: blurry images ``(B, 3, S, S)`` in [0, 1] to the restored levels, finest first; without the finest one if
    ``coarse_only``. They are clamped to [0, 1].
    """

    def __init__(self, network: Network, precision: str, description: str) -> None:
        """
        Args:
            network: In evaluation mode, with its weights.
            precision: Autocast to this type.
            description: The network and what it was trained on, in words.
        """
        super().__init__()
        self.network, self.precision, self.description = network, precision, description
        self.restoration = Restoration(network)

    @torch.no_grad()
    def forward(self, blurry: Tensor, coarse_only: bool) -> tuple[Tensor, ...]:
        restored = restore_levels(self.network, self.restoration, blurry, self.precision, coarse_only)
        return tuple(level.float().clamp(0, 1) for level in restored)


def open_teacher(options: TrainingOptions, device: torch.device) -> Teacher | None:
    """The network that the options name, on the device.

    Raises:
        RecipeError: Only one of ``teacher`` and ``distillation`` is given, or the patches do not suit the teacher.
        OSError, ValueError: The file cannot be read or is no checkpoint.
    """
    if (options.teacher is None) != (options.distillation == 0):
        raise RecipeError(
            "learning from another network takes both --teacher FILE and --distillation SHARE; found "
            f"{'no teacher' if options.teacher is None else options.teacher} and {options.distillation:g}"
        )
    if options.teacher is None:
        return None
    checkpoint = read_checkpoint(options.teacher)
    network = restore_network(checkpoint.config, checkpoint.state_dict)
    if options.crop % network.size_multiple:
        raise RecipeError(
            f"crop: the teacher {options.teacher} takes multiples of {network.size_multiple}, found {options.crop}"
        )
    place(network, options, device)
    trained_on = checkpoint.provenance.trained_on or "data that its file does not name"
    return Teacher(network, options.precision, f"{options.teacher.name}, trained on {trained_on}")

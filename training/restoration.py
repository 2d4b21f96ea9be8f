"""The forward pass of training, of the network that is trained and of its teacher."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from deblur import Network

from .precision import autocast


class Restoration(nn.Module):
    """The forward pass of training as one module, which can be compiled and distributed.

    Shape: the levels of a pyramid, finest first, to the restored levels; without the finest one if ``coarse_only``.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, levels: Sequence[Tensor], coarse_only: bool) -> tuple[Tensor, ...]:
        return tuple(self.network.coarse(levels)[0] if coarse_only else self.network(levels))


def restore_levels(
    network: Network, forward: Callable[..., tuple[Tensor, ...]], blurry: Tensor, precision: str, coarse_only: bool
) -> tuple[Tensor, ...]:
    """Restores images at every scale.

    Args:
        network: Builds the pyramid.
        forward: :class:`Restoration` of the network, compiled or distributed.
        blurry: ``(B, 3, S, S)`` in [0, 1].
        precision: Autocast to this type.
        coarse_only: Leave out the finest scale.

    Returns:
        The restored levels, finest first.
    """
    levels = network.pyramid(blurry)
    with autocast(blurry.device, precision):
        return forward(levels, coarse_only)

"""A source of training pairs for tests: random blocks, blurred along a line."""

import torch
from torch.nn import functional as F

from training.data.source import numbered_rng


class Stripes:
    """Blocks of random colours, and the same blocks averaged over five pixels; counts what it draws."""

    device = torch.device("cpu")

    def __init__(self, seed=0, blur=5):
        self.seed, self.blur, self.drawn = seed, blur, []

    def draw(self, numbers, size):
        self.drawn += numbers
        return torch.stack([self._pair(number, size) for number in numbers])

    def _pair(self, number, size):
        rng = numbered_rng(self.seed, "stripes", number)
        cells = torch.rand(3, size // 4 + 1, size // 4 + 1, generator=rng)
        sharp = cells.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, :size, :size]
        margin = self.blur // 2
        blurry = F.avg_pool2d(F.pad(sharp, (margin, margin, 0, 0), mode="replicate"), (1, self.blur), 1)
        return (torch.cat((blurry, sharp)) * 255).round().to(torch.uint8)

"""Scenes that move by known numbers of pixels, as tensors, folders of frames and videos."""

import struct
from fractions import Fraction

import av
import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F


def texture(height=64, width=80, seed=0):
    """A smooth random image, so that flow has something to hold on to."""
    coarse = torch.rand(1, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(seed))
    return (255 * F.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1))[0]


def moved(image, pixels):
    """The image as seen when everything moves to the right; rounded to uint8."""
    _, height, width = image.shape
    grid = F.affine_grid(torch.tensor([[[1, 0, -2 * pixels / width], [0, 1, 0]]]).float(), [1, 3, height, width], False)
    shifted = F.grid_sample(image[None], grid, mode="bicubic", padding_mode="border", align_corners=False)[0]
    return shifted.clamp(0, 255).round().to(torch.uint8)


def moving(steps, start=0.0, seed=0):
    """Frames of a scene that moves by these numbers of pixels from one to the next."""
    places = np.cumsum([start, *steps])
    return [moved(texture(seed=seed), float(place)) for place in places]


def write_frames(folder, frames, first=1, suffix="png"):
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames, start=first):
        Image.fromarray(frame.permute(1, 2, 0).numpy()).save(folder / f"frame{number}.{suffix}")
    return folder


def write_video(path, frames, rate=240):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1" if path.suffix == ".mkv" else "mpeg4", rate=Fraction(rate))
        stream.height, stream.width = frames[0].shape[1:]
        stream.pix_fmt = "bgr0" if path.suffix == ".mkv" else "yuv420p"
        if path.suffix != ".mkv":
            stream.bit_rate = 8_000_000
        for frame in frames:
            array = np.ascontiguousarray(frame.permute(1, 2, 0).numpy())
            container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        container.mux(stream.encode())
    return path


def turned(path, a, b, c, d):
    """Writes a display matrix into an MP4's track header, where telephones put it."""
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    content[matrix : matrix + 20] = struct.pack(">5i", a << 16, b << 16, 0, c << 16, d << 16)
    path.write_bytes(content)

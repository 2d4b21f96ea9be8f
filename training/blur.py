"""Blurs a sharp photograph with the virtual camera: ``python -m training.blur PHOTO -o BLURRY --sharp SHARP``."""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from deblur.commands.image_file import ImageFile, read_rgb, write_image

from .data.camera import CameraSettings, photograph


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.blur", description=__doc__)
    parser.add_argument("photograph", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="where the blurry image goes")
    parser.add_argument("--sharp", type=Path, required=True, help="where the sharp middle frame goes")
    parser.add_argument("--size", type=int, nargs=2, default=(480, 720), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for path in (options.output, options.sharp):
        if path.exists():
            parser.error(f"{path} exists; choose another name")
    rng = torch.Generator().manual_seed(options.seed)
    picture = read_rgb(options.photograph)
    if picture.shape[1] < options.size[0] or picture.shape[2] < options.size[1]:
        parser.error(f"{options.photograph} is smaller than {options.size[0]}×{options.size[1]}; give a smaller --size")
    settings = replace(CameraSettings(), still=0.0, objects=(1.0,))
    blurry, sharp = photograph([picture], tuple(options.size), settings, rng)
    write_image(options.output, ImageFile(blurry.float() / 255))
    write_image(options.sharp, ImageFile(sharp.float() / 255))


if __name__ == "__main__":
    main()

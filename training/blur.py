"""Blurs a sharp photograph with the virtual camera: ``python -m training.blur PHOTO -o BLURRY --sharp SHARP``."""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from deblur.commands.image_file import ImageFile, read_rgb, write_image

from .data.camera import CameraSettings, photograph


def main() -> None:
    defaults = CameraSettings()
    parser = argparse.ArgumentParser(prog="python -m training.blur", description=__doc__)
    parser.add_argument("photograph", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="where the blurry image goes")
    parser.add_argument("--sharp", type=Path, required=True, help="where the sharp middle frame goes")
    parser.add_argument("--size", type=int, nargs=2, default=(480, 720), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument(
        "--extent", type=float, default=defaults.camera.extent_mean, help="mean length of the camera's path in pixels"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="where to render")
    options = parser.parse_args()
    for path in (options.output, options.sharp):
        if path.exists():
            parser.error(f"{path} exists; choose another name")
    if options.extent < 0:
        parser.error(f"--extent {options.extent:g}: expected a length of at least 0 pixels")
    picture = read_rgb(options.photograph)
    if picture.shape[1] < options.size[0] or picture.shape[2] < options.size[1]:
        parser.error(f"{options.photograph} is smaller than {options.size[0]}×{options.size[1]}; give a smaller --size")
    camera = replace(defaults.camera, still=0.0, extent_mean=options.extent)
    settings = replace(defaults, camera=camera, objects=(1.0,), scale_min=1.0)
    rng = torch.Generator().manual_seed(options.seed)
    (pair,) = photograph([[picture]], tuple(options.size), settings, [rng], options.device).cpu()
    write_image(options.output, ImageFile(pair[:3].float() / 255))
    write_image(options.sharp, ImageFile(pair[3:].float() / 255))


if __name__ == "__main__":
    main()

"""Folders of blurry and sharp images in GOPRO's layout."""

from pathlib import Path

from deblur.commands.image_file import IMAGE_SUFFIXES


def find_pairs(folder: Path, blurry: str = "blur") -> list[tuple[Path, Path]]:
    """Pairs of blurry and sharp image files below a folder.

    Every folder named ``sharp`` beside one named as ``blurry`` says is taken, as in
    ``GOPRO_Large/test/<sequence>/{blur,blur_gamma,sharp}``.

    Raises:
        FileNotFoundError: No pair is there, or an image has no partner; the message names it.
    """
    pairs = []
    for sharp_folder in sorted(path for path in folder.rglob("sharp") if path.is_dir()):
        blurry_folder = sharp_folder.with_name(blurry)
        if not blurry_folder.is_dir():
            raise FileNotFoundError(f"{sharp_folder} has no folder {blurry} beside it")
        for sharp in sorted(path for path in sharp_folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES):
            partner = blurry_folder / sharp.name
            if not partner.is_file():
                raise FileNotFoundError(f"{sharp} has no partner {partner}")
            pairs.append((partner, sharp))
    if not pairs:
        raise FileNotFoundError(f"no pair below {folder}: expected folders {blurry}/ and sharp/ with images in them")
    return pairs

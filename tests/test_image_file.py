"""Image files of every kind that Pillow reads, there and back."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from deblur.commands.image_file import ImageFile, ImageFileError, read_image, read_rgb, write_image

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def picture(height=12, width=20, channels=3):
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def test_rgb_round_trip_keeps_every_value(tmp_path):
    Image.fromarray(picture()).save(tmp_path / "in.png")
    write_image(tmp_path / "out.png", read_image(tmp_path / "in.png"))
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "out.png")), picture())


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_alpha_is_kept(tmp_path, suffix):
    Image.fromarray(picture(channels=4)).save(tmp_path / "in.png")
    image = read_image(tmp_path / "in.png")
    assert image.alpha is not None
    write_image(tmp_path / f"out{suffix}", image)
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / f"out{suffix}")), picture(channels=4))


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_grey_stays_grey(tmp_path, mode):
    Image.fromarray(picture()).convert(mode).save(tmp_path / "in.png")
    image = read_image(tmp_path / "in.png")
    assert image.grey
    assert image.rgb.shape == (3, 12, 20)
    write_image(tmp_path / "out.png", image)
    written = Image.open(tmp_path / "out.png")
    assert written.mode == ("LA" if mode == "LA" else "L")
    expected = Image.open(tmp_path / "in.png").convert(written.mode)
    np.testing.assert_array_equal(np.array(written), np.array(expected))


def test_sixteen_bit_grey_keeps_its_bits(tmp_path):
    values = np.random.default_rng(0).integers(0, 65536, (9, 11)).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "in.png")
    image = read_image(tmp_path / "in.png")
    assert (image.bits, image.grey) == (16, True)
    for name in ("out.png", "out.tif"):
        write_image(tmp_path / name, image)
        np.testing.assert_array_equal(np.array(Image.open(tmp_path / name)), values)
    with pytest.raises(ImageFileError, match="cannot hold 16 bits"):
        write_image(tmp_path / "out.jpg", image)


def test_a_palette_with_transparency_becomes_rgba(tmp_path):
    palette = Image.fromarray(picture()).quantize(16)
    palette.save(tmp_path / "in.png", transparency=3)
    image = read_image(tmp_path / "in.png")
    expected = np.array(Image.open(tmp_path / "in.png").convert("RGBA"))
    assert image.alpha is not None
    pixels = (torch.cat((image.rgb, image.alpha)) * 255).round().byte().permute(1, 2, 0)
    np.testing.assert_array_equal(pixels.numpy(), expected)


def test_cmyk_becomes_rgb(tmp_path):
    Image.fromarray(picture()).convert("CMYK").save(tmp_path / "in.tif")
    pixels = read_rgb(tmp_path / "in.tif").permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(pixels, np.array(Image.open(tmp_path / "in.tif").convert("RGB")))


def test_a_cmyk_profile_does_not_follow_into_rgb(tmp_path):
    Image.fromarray(picture()).convert("CMYK").save(tmp_path / "in.tif", icc_profile=SRGB)
    assert read_image(tmp_path / "in.tif").icc_profile is None


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_profile_and_exif_are_kept_and_the_orientation_applied(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "A camera", 6
    Image.fromarray(picture()).save(tmp_path / "in.jpg", exif=exif, icc_profile=SRGB)
    image = read_image(tmp_path / "in.jpg")
    assert image.rgb.shape == (3, 20, 12)
    write_image(tmp_path / f"out{suffix}", image)
    written = Image.open(tmp_path / f"out{suffix}")
    assert written.size == (12, 20)
    assert written.info["icc_profile"] == SRGB
    assert written.getexif()[0x010F] == "A camera"
    assert 0x0112 not in written.getexif()


def test_the_first_of_several_frames_is_read(tmp_path):
    frames = [Image.fromarray(picture(height)) for height in (12, 12)]
    frames[0].save(tmp_path / "in.tif", save_all=True, append_images=frames[1:])
    assert read_image(tmp_path / "in.tif").frames == 2


def test_float_images_must_be_in_a_known_range(tmp_path):
    Image.fromarray(np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)).save(tmp_path / "unit.tif")
    assert read_image(tmp_path / "unit.tif").rgb.max() == 1
    Image.fromarray(np.full((3, 4), 7.0, dtype=np.float32)).save(tmp_path / "bright.tif")
    with pytest.raises(ImageFileError, match="expected values from 0 to 1"):
        read_image(tmp_path / "bright.tif")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"this is not a picture", "no image format that Pillow knows"),
        ("png", "truncated or damaged"),
        ("jpeg", "truncated or damaged"),
    ],
)
def test_bad_files_are_refused(tmp_path, content, message):
    if isinstance(content, str):
        buffer = BytesIO()
        Image.fromarray(picture(80, 90)).save(buffer, content)
        content = buffer.getvalue()[: len(buffer.getvalue()) // 2]
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(ImageFileError, match=message):
        read_image(tmp_path / "bad.png")


def test_a_bomb_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    Image.fromarray(picture()).save(tmp_path / "in.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)
    with pytest.raises(ImageFileError, match="decompression bomb"):
        read_image(tmp_path / "in.png")


def test_formats_that_cannot_hold_the_image_are_refused(tmp_path):
    image = ImageFile(torch.rand(3, 4, 4), alpha=torch.rand(1, 4, 4))
    with pytest.raises(ImageFileError, match="JPEG cannot hold"):
        write_image(tmp_path / "out.jpg", image)
    with pytest.raises(ImageFileError, match=r"cannot write \.gif"):
        write_image(tmp_path / "out.gif", image)


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="No space left"):
        write_image(tmp_path / "out.png", ImageFile(torch.rand(3, 4, 4)))
    assert list(tmp_path.iterdir()) == []

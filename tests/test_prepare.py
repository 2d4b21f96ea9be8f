"""The command that averages frames into pairs on disk: layout, going on, refusing, full disks."""

import csv
import errno
import json

import numpy as np
import pytest
import torch
from PIL import Image

from deblur import psnr
from deblur.commands.image_file import read_rgb
from training.data import prepared
from training.data.frames import average_frames
from training.data.pairs import find_pairs
from training.data.prepared import Row
from training.data.windows import NAH, NOROOZI, Recipe
from training.prepare import main, parse_options, prepare, summary

FIVE = Recipe(frames=(5, 5))


@pytest.fixture
def frames(tmp_path):
    """A sequence of 17 frames with a square that moves 2 pixels a frame over a gradient."""
    folder = tmp_path / "in" / "deep" / "clip"
    folder.mkdir(parents=True)
    for number in range(17):
        image = np.zeros((24, 60, 3), np.uint8)
        image[..., 1] = np.arange(24)[:, None] * 5
        image[8:16, 2 * number : 2 * number + 8] = (250, 200, 40)
        Image.fromarray(image).save(folder / f"{number:04d}.png")
    return folder


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_pairs_lie_in_gopros_layout(frames, tmp_path):
    rows = prepare([tmp_path / "in"], FIVE, tmp_path / "out", progress=False)["deep/clip"]
    place = tmp_path / "out" / "deep" / "clip"
    assert sorted(content(place)) == [
        *(f"{kind}/00000{n}.png" for kind in ("blur", "blur_gamma") for n in (1, 2, 3)),
        "recipe.json",
        "report.csv",
        *(f"sharp/00000{n}.png" for n in (1, 2, 3)),
    ]
    images = [read_rgb(path) for path in sorted(frames.iterdir())]
    assert len(find_pairs(tmp_path / "out")) == len(find_pairs(tmp_path / "out", "blur_gamma")) == 3
    for number, (blurry, sharp) in enumerate(find_pairs(tmp_path / "out")):
        window = images[5 * number : 5 * number + 5]
        assert torch.equal(read_rgb(sharp), window[2])
        assert torch.equal(read_rgb(blurry), average_frames(window, 1))
        gamma = read_rgb(place / "blur_gamma" / blurry.name)
        assert torch.equal(gamma, average_frames(window, 2.2))
        assert (gamma >= read_rgb(blurry)).all()
        expected = psnr(*(read_rgb(path)[None].float() / 255 for path in (blurry, sharp)))
        assert rows[number].psnr == pytest.approx(float(expected), abs=1e-3)


def test_the_report_says_what_became_of_every_window(frames, tmp_path):
    rows = prepare([frames], FIVE, tmp_path / "out", progress=False)["clip"]
    assert [(row.number, row.first, row.frames, row.verdict) for row in rows] == [
        (1, 0, 5, "written"),
        (2, 5, 5, "written"),
        (3, 10, 5, "written"),
        (4, 15, 5, "too few frames"),
    ]
    with (tmp_path / "out" / "clip" / "report.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["verdict"] for line in lines] == [row.verdict for row in rows]
    assert float(lines[0]["psnr"]) == rows[0].psnr > 15
    description = json.loads((tmp_path / "out" / "clip" / "recipe.json").read_text())
    assert description["recipe"]["frames"] == [5, 5]


def test_a_complete_sequence_is_left_as_it_is(frames, tmp_path, monkeypatch):
    first = prepare([frames], FIVE, tmp_path / "out", progress=False)
    before = content(tmp_path / "out")
    monkeypatch.setattr(prepared, "windows", None)
    assert prepare([frames], FIVE, tmp_path / "out", progress=False) == first
    assert content(tmp_path / "out") == before


@pytest.mark.parametrize("good_writes", [0, 1, 4, 8])
@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_a_stopped_run_goes_on(frames, tmp_path, monkeypatch, good_writes, failure):
    prepare([frames], FIVE, tmp_path / "whole", progress=False)
    left = [good_writes]

    def fail(path, image, write=prepared.write_image):
        left[0] -= 1
        if left[0] < 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            (path.parent / f".{path.stem}.half.png").write_bytes(b"half of an image")
            raise failure
        write(path, image)

    with monkeypatch.context() as patch:
        patch.setattr(prepared, "write_image", fail)
        with pytest.raises(type(failure)) as caught:
            prepare([frames], FIVE, tmp_path / "out", progress=False)
    if isinstance(failure, OSError):
        assert "no space left for sequence clip" in str(caught.value)
        assert "give the same command again" in str(caught.value)
    assert not (tmp_path / "out" / "clip").exists()
    with pytest.raises(FileNotFoundError):  # nobody takes the half for a sequence
        find_pairs(tmp_path / "out")
    with (tmp_path / "out" / ".clip.partial" / "report.csv").open("a") as report:
        report.write("3,10,5,15,writ")  # a line that was cut off
    written = []
    monkeypatch.setattr(prepared, "write_image", _recorded(prepared.write_image, written))
    prepare([frames], FIVE, tmp_path / "out", progress=False)
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    assert len(written) == 9 - 3 * (good_writes // 3)


def _recorded(write, written):
    def record(path, image):
        written.append(path)
        write(path, image)

    return record


def test_what_is_in_the_way_is_not_touched(frames, tmp_path):
    prepare([frames], FIVE, tmp_path / "out", progress=False)
    before = content(tmp_path / "out")
    with pytest.raises(FileExistsError, match=r"is not what this recipe makes of .*clip; choose another output folder"):
        prepare([frames], Recipe(frames=(3, 3)), tmp_path / "out", progress=False)
    (frames / "0016.png").unlink()
    with pytest.raises(FileExistsError):
        prepare([frames], FIVE, tmp_path / "out", progress=False)
    assert content(tmp_path / "out") == before
    for place in ("clip", ".clip.partial"):
        (tmp_path / place / place).mkdir(parents=True)
        (tmp_path / place / place / "mine.txt").write_text("mine")
        with pytest.raises(FileExistsError):
            prepare([frames], FIVE, tmp_path / place, progress=False)
        assert (tmp_path / place / place / "mine.txt").read_text() == "mine"


def test_everything_is_checked_before_the_first_pair_is_written(frames, tmp_path):
    other = tmp_path / "in" / "other"
    other.mkdir()
    Image.new("RGB", (60, 24)).save(other / "1.png")
    Image.new("RGB", (50, 24)).save(other / "2.png")
    with pytest.raises(ValueError, match="expected frames of equal size"):
        prepare([tmp_path / "in"], FIVE, tmp_path / "out", progress=False)
    (other / "2.png").unlink()
    with pytest.raises(ValueError, match="cannot be made 25× smaller"):
        prepare([tmp_path / "in"], Recipe(downsample=25), tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_a_sequence_without_a_pair_has_its_report(tmp_path):
    folder = tmp_path / "short"
    folder.mkdir()
    Image.new("RGB", (60, 24)).save(folder / "1.png")
    rows = prepare([folder], FIVE, tmp_path / "out", progress=False)["short"]
    assert [row.verdict for row in rows] == ["too few frames"]
    assert sorted(content(tmp_path / "out")) == ["short/recipe.json", "short/report.csv"]


def test_the_command_takes_the_recipes_and_their_options(frames, tmp_path, capsys):
    arguments = [str(frames), "-o", str(tmp_path / "out")]
    assert main(["noroozi", *arguments, "--frames", "3", "--downsample", "1", "--max-flow", "3"]) == 0
    out = capsys.readouterr().out
    assert "clip: 5 pairs, averages of 15 frames in all, PSNR " in out
    assert "dropped windows: 1 too few frames" in out
    assert not (tmp_path / "out" / "clip" / "blur_gamma").exists()
    assert main(["nah", *arguments]) == 2
    assert "error: " in capsys.readouterr().err
    assert parse_options(["nah", *arguments]).recipe == NAH
    assert parse_options(["noroozi", *arguments]).recipe == NOROOZI
    assert parse_options(["nah", *arguments, "--frames", "9", "11", "--averages", "blur", "--seed", "2"]).recipe == (
        Recipe(frames=(9, 11), averages=("blur",), seed=2)
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--frames", "8"], "expected odd numbers of frames"),
        (["--frames", "3", "5", "7"], "--frames takes one number or two, found 3"),
        (["--downsample", "0"], "a downsampling of at least 1"),
        (["--averages", "gamma"], "expected averages out of blur and blur_gamma"),
    ],
)
def test_wrong_options_are_refused(wrong, message, capsys):
    with pytest.raises(SystemExit):
        parse_options(["nah", "x", "-o", "y", *wrong])
    assert message in capsys.readouterr().err


def test_the_summary_counts_by_reason():
    def row(verdict, decibels=0.0):
        return Row(1, 0, 7, 7, verdict, 0, 0, 0, decibels)

    rows = [row("written", 20), row("written", 30), *[row("flow too large")] * 3, row("scene cut")]
    assert summary("all", rows) == (
        "all: 2 pairs, averages of 14 frames in all, PSNR 20.0 to 30.0 dB, mean 25.0; "
        "dropped windows: 3 flow too large, 1 scene cut"
    )

"""The report of a training run: read from its log, whole in one file."""

import json
import re

import pytest
import torch

from training.pictures import strip
from training.report import main, newest_pictures, thinned, write_report
from training.run_log import parse_log

START = {"run": {"command": "python -m training.train <x>", "commit": "abc123", "recipe": "tiny", "torch": "2"}}
FIGURES = {"blurry psnr": 25.0, "restored psnr": 26.5, "blurry ssim": 0.7, "restored ssim": 0.8}


def step(number, **more):
    return {"step": number, "minutes": number / 60, "loss": 1 / number, **more}


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "runs" / "tiny"
    (folder / "pictures").mkdir(parents=True)
    lines = [START]
    for number in range(10, 110, 10):
        lines.append(step(number, learning_rate=1e-4, images_per_second=12.5))
    lines += [{"step": 50, "minutes": 1, "validation": FIGURES | {"restored psnr": 27.25}}]
    lines += [{"step": 100, "minutes": 2, "validation": FIGURES}]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 110, "lo')
    for number in (50, 100):
        triple = strip([torch.full((3, 20, 30), shade) for shade in (0.2, 0.5, 0.9)])
        triple.save(folder / "pictures" / f"{number}_0.png")
    return folder


def test_the_report_stands_alone_and_says_what_was_logged(run, capsys):
    main([str(run)])
    assert capsys.readouterr().out.strip() == f"-> {run / 'report.html'}"
    text = (run / "report.html").read_text(encoding="utf-8")
    sources = re.findall(r'(?:src|href)="([^"#][^"]*)"', text)
    assert len(sources) == 2
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert not re.search(r"@import|<link|<script[^>]*src|<!DOCTYPE svg|<metadata", text)
    assert text.count("<svg") == 5
    for expected in ("26.50", "27.25", "100 steps", "abc123", "12.5", "python -m training.train &lt;x&gt;", "100_0"):
        assert expected in text, expected
    assert "unreadable lines" in text


def test_only_the_runs_own_report_is_replaced(run, tmp_path):
    assert write_report(run) == write_report(run) == run / "report.html"
    (tmp_path / "mine.html").write_text("mine")
    with pytest.raises(FileExistsError, match=r"mine\.html exists"):
        write_report(run, tmp_path / "mine.html")
    assert (tmp_path / "mine.html").read_text() == "mine"
    with pytest.raises(FileNotFoundError, match=r"no log .*log\.jsonl"):
        write_report(tmp_path)


def test_a_log_of_the_first_format_is_read():
    log = parse_log([json.dumps(step(10) | FIGURES), json.dumps(step(20) | FIGURES)])
    assert log.series("restored psnr") == ([10, 20], [26.5, 26.5])
    assert log.series("loss") == ([10, 20], [0.1, 0.05])


def test_what_a_stopped_run_logged_beyond_its_last_state_is_dropped():
    lines = [START, step(10), step(20), step(30), START, step(20, learning_rate=1.0), step(30)]
    log = parse_log(map(json.dumps, lines))
    assert log.series("loss")[0] == [10, 20, 30]
    assert log.series("learning_rate") == ([20], [1.0])
    assert len(log.starts) == 2


@pytest.mark.parametrize("lines", [[], ["{}"], [json.dumps(START)], [json.dumps(step(1))], ["[1]", "nonsense", ""]])
def test_a_log_of_little_still_makes_a_page(tmp_path, lines):
    (tmp_path / "log.jsonl").write_text("\n".join(lines))
    assert "<h1>Training run" in write_report(tmp_path).read_text(encoding="utf-8")


def test_pictures_are_ordered_by_their_numbers(tmp_path):
    for name in ("900_1", "1000_0", "20_0", "900_0"):
        strip([torch.zeros(3, 2, 2)]).save(tmp_path / f"{name}.png")
    assert [path.stem for path in newest_pictures(tmp_path, 3)] == ["1000_0", "900_1", "900_0"]
    assert newest_pictures(tmp_path / "none") == []


def test_thinning_takes_means():
    assert thinned(([1, 2, 3, 4, 5], [1, 3, 5, 7, 9]), 3) == ([1.5, 3.5, 5], [2, 6, 9])
    assert thinned(([1, 2], [3, 4]), 2) == ([1, 2], [3, 4])

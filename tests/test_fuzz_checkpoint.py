"""A few of the hostile files of ``python -m tests.fuzz_checkpoint``, and proof that it would notice."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def fuzz(count, before=""):
    """Runs the command in a process of its own, whose address space it limits."""
    pytest.importorskip("resource", reason="limits of memory need a system that has them")
    program = (
        f"{before}\nimport sys, tests.fuzz_checkpoint as f\nsys.argv[1:] = ['--count', '{count}']\nsys.exit(f.main())"
    )
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )


def test_two_thousand_hostile_files_are_read_or_refused():
    result = fuzz(2000)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2,000  inputs of seed 0" in result.stdout
    for outcome in (
        "read",
        "CheckpointError in check_numbers",
        "StateDictError in check_size",
        "ValueError in check_range",
    ):
        assert f"  {outcome}\n" in result.stdout


FAULTS = """
import deblur.presets, torch

check_size = deblur.presets._check_size

def faulty(config, state_dict, calls=iter(range(10**9))):
    check_size(config, state_dict)
    call = next(calls)
    if call == 30:
        exec("1")
    elif call == 31:
        bytearray(300 * 2**20)
    elif call == 32:
        1 / 0
    elif call == 33:
        torch.empty(2**40)
    elif call == 34:
        raise ValueError("\\x1b[2J")

deblur.presets._check_size = faulty
"""


def test_a_reader_with_faults_is_noticed():
    result = fuzz(200, FAULTS)
    assert result.returncode == 1, result.stdout + result.stderr
    for noticed in ("ran [", "exec", "bytes of Python objects", "ZeroDivisionError", "allocate", "AssertionError"):
        assert noticed in result.stdout

"""What made a result: the command and the commit, for logs and reports."""

import shlex
import subprocess
import sys
from pathlib import Path

import torch


def command_line() -> str:
    """The command that runs, as it could be typed again."""
    module = sys.modules["__main__"].__spec__
    program = ["python", "-m", module.name.removesuffix(".__main__")] if module else ["python", sys.argv[0]]
    return shlex.join([*program, *sys.argv[1:]])


def commit() -> str:
    """The commit of this checkout, with a word on changes that are not in it; ``unknown`` where there is no git."""
    root = Path(__file__).parents[1]

    def git(*arguments: str) -> str:
        result = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True, timeout=30)
        return result.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + (" with uncommitted changes" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def device_name(device: torch.device) -> str:
    """The device in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = f", {torch.get_num_threads()} thread{'s' if torch.get_num_threads() > 1 else ''}"
    return str(device) + (threads if device.type == "cpu" else "")

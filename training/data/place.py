"""Where decoded images are kept, and how much room there is."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

Place = Literal["auto", "device", "memory", "file"]
GIB = 1 << 30


@dataclass(frozen=True)
class StoreOptions:
    """Where decoded images are kept."""

    place: Place = "auto"
    """``device``, ``memory`` (shared with the loader's processes) or ``file``; ``auto`` takes the first that fits."""
    device: str = "cpu"
    """Device that trains; only a CUDA device keeps images."""
    device_share: float = 0.4
    """Largest part of the device's free memory that images may take."""
    memory_share: float = 0.5
    """Largest part of the free shared memory that images may take."""
    folder: Path | None = None
    """Folder of the cache file; default: ``motion-deblur`` in the system's folder for temporary files."""
    workers: int = os.cpu_count() or 1
    """Threads that decode."""
    progress: bool = True
    """Whether to show a progress bar and to say in one line where the images are."""


def free_shared_memory() -> int:
    """Bytes that can be had as shared memory: of the machine, of the container, of /dev/shm; 0 where unknown."""
    free = []
    for path, scale in (("/proc/meminfo", 1024), ("/sys/fs/cgroup/memory.max", 1)):
        text = Path(path).read_text() if Path(path).is_file() else ""
        if "MemAvailable:" in text:
            free.append(int(text.split("MemAvailable:")[1].split()[0]) * scale)
        elif text.strip().isdigit():
            free.append(int(text) * scale - int(Path("/sys/fs/cgroup/memory.current").read_text()))
    if Path("/dev/shm").is_dir():
        free.append(shutil.disk_usage("/dev/shm").free)
    return max(0, min(free, default=0))


def choose_place(total: int, options: StoreOptions) -> Literal["device", "memory", "file"]:
    """The place that images of so many bytes go to.

    Raises:
        ValueError: They do not fit where the options want them.
    """
    room = {"device": 0, "memory": int(options.memory_share * free_shared_memory())}
    if torch.device(options.device).type == "cuda" and options.place in ("auto", "device"):
        room["device"] = int(options.device_share * torch.cuda.mem_get_info(torch.device(options.device))[0])
    if options.place == "auto":
        return "device" if total <= room["device"] else "memory" if total <= room["memory"] else "file"
    if options.place != "file" and total > room[options.place]:
        raise ValueError(
            f"the decoded images take {total / GIB:.2f} GiB, and {room[options.place] / GIB:.2f} GiB may be used "
            f"of the free memory for place {options.place!r} on {options.device}; choose 'auto' or 'file'"
        )
    return options.place

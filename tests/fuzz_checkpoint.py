"""Reads damaged and hostile checkpoint files: ``python -m tests.fuzz_checkpoint --count 100000 --seed 0``.

Every input must either be read, and then be a network of finite numbers, or be refused with a short error of ours. No
input may take more than ``CPU_SECONDS``, more memory than ``FACTOR`` times its size and a constant, or run anything.
"""

import argparse
import faulthandler
import gc
import resource
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from deblur import StateDictError, config_to_dict, restore_network
from weights import CheckpointError, read_checkpoint

from .mutate_checkpoint import make_bases, mutated

CPU_SECONDS = 2.0
FACTOR = 8
PYTHON_BYTES = 32 * 2**20
"""Memory that an input may take whatever its size; a header of at most 1 MiB becomes Python objects."""
RESIDENT_BYTES = 64 * 2**20
"""Growth of the whole process during a run, fragmentation of the heap included."""
ADDRESS_BYTES = 2**30
"""Address space beyond what is in use at the start; a larger allocation fails, whether it is touched or not."""
MEMORY_FOLDER = Path("/dev/shm")
"""Where the inputs are written, if there is such a folder: thousands of files a minute are hard on a disk."""
HANG_SECONDS = 300
MESSAGE_LENGTH = 4000
RUNNING = {"exec", "compile", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.Popen"}
RUNNING |= {"pickle.find_class", "socket.connect", "socket.bind", "ctypes.dlopen", "os.remove", "os.rename", "os.mkdir"}
DEBLUR = Path(sys.modules["deblur"].__file__ or "").parent


class Watch:
    """Notes what the interpreter is asked to run or write while an input is read."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple) -> None:
        if self.on and (event in RUNNING or (event == "open" and set(str(arguments[1])) & set("wax+"))):
            self.seen.append(f"{event} {arguments}"[:300])


def check(path: Path, content: bytes) -> str:
    """Reads one input.

    Returns:
        What became of it.

    Raises:
        AssertionError: It was refused with an error of another kind, or read although it should not have been.
    """
    try:
        checkpoint = read_checkpoint(path)
        network = restore_network(checkpoint.config, checkpoint.state_dict)
    except ValueError as error:
        return check_refusal(error)
    size = 0
    for name, tensor in network.state_dict().items():
        size += tensor.nbytes
        assert torch.isfinite(tensor).all(), f"{name} is not finite"
    assert size <= FACTOR * len(content), f"a network of {size} bytes from {len(content)}"
    assert all(checkpoint.config[key] == value for key, value in config_to_dict(network.config).items())
    return "read"


def check_refusal(error: ValueError) -> str:
    """The kind of a refusal, which must be one of ours and fit to be shown to a user."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    assert frame is not None
    code, kind, text = frame.tb_frame.f_code, type(error).__name__, str(error)
    ours = isinstance(error, (CheckpointError, StateDictError)) or Path(code.co_filename).parent == DEBLUR
    assert ours, f"{kind} from {code.co_filename}: {text[:200]}"
    assert len(text) < MESSAGE_LENGTH, f"a message of {len(text)} characters: {text[:200]}"
    assert text.isprintable(), f"unprintable message: {text[:500]!a}"
    return f"{kind} in {code.co_name.lstrip('_')}"


@contextmanager
def limited_address_space(more: int) -> Iterator[None]:
    """Lets no allocation succeed that is far beyond what the process has, where the system can do that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    status = Path("/proc/self/statm")
    if status.is_file():
        used = int(status.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def resident_peak() -> int:
    """The most memory this process ever had, in bytes."""
    status = Path("/proc/self/status")
    if status.is_file():  # the portable figure begins with that of the process that started this one
        return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def fuzz(numbers: range, seed: int, folder: Path) -> tuple[Counter[str], list[str]]:
    """Reads inputs; gives the number of inputs by outcome, and what went wrong."""
    path, bases, watch = folder / "input.safetensors", make_bases(), Watch()
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    for content in bases:  # the first reading imports and compiles
        path.write_bytes(content)
        assert check(path, content) == "read"
    gc.collect()
    start_peak = resident_peak()
    tracemalloc.start(1)
    with limited_address_space(ADDRESS_BYTES):
        for number in numbers:
            if number % 1000 == 0:
                faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
            content = mutated(seed, number, bases)
            path.write_bytes(content)
            before, begun = tracemalloc.get_traced_memory()[0], time.process_time()
            tracemalloc.reset_peak()
            watch.on = True
            try:
                outcome = check(path, content)
            except Exception as error:
                outcome = f"FAILED {type(error).__name__}"
                failures.append(f"{number}: {type(error).__name__}: {str(error)[:500]}")
            watch.on = False
            outcomes[outcome] += 1
            seconds, held = time.process_time() - begun, tracemalloc.get_traced_memory()[1] - before
            if seconds > CPU_SECONDS:
                failures.append(f"{number}: took {seconds:.1f} s of the processor")
            if held > FACTOR * len(content) + PYTHON_BYTES:
                failures.append(f"{number}: {held} bytes of Python objects for a file of {len(content)}")
            if watch.seen:
                failures.append(f"{number}: ran {watch.seen}")
                watch.seen.clear()
    faulthandler.cancel_dump_traceback_later()
    tracemalloc.stop()
    if (growth := resident_peak() - start_peak) > RESIDENT_BYTES:
        failures.append(f"the process grew by {growth} bytes")
    return outcomes, failures


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz_checkpoint", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="number of inputs")
    parser.add_argument("--first", type=int, default=0, help="number of the first, to repeat one that failed")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(dir=MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None) as folder:
        outcomes, failures = fuzz(range(options.first, options.first + options.count), options.seed, Path(folder))
    for outcome, count in outcomes.most_common():
        print(f"{count:9,d}  {outcome}")
    print(f"{outcomes.total():9,d}  inputs of seed {options.seed} in {time.monotonic() - begun:.0f} s")
    for failure in failures[:20]:
        print(f"failed: {failure}")
    print(f"{len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

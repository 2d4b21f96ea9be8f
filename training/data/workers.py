"""What every process that prepares data does first."""

import signal

import torch


def prepare_worker(worker: int) -> None:
    """Uses one thread, and leaves SIGINT and SIGTERM to the main process, which saves before it ends the workers."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

"""Downloads in a node: progress on the node, and an end at once when the user interrupts."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from threading import Event, Thread

from comfy import model_management
from comfy.utils import ProgressBar

from ..weights import Report

POLL_SECONDS = 0.1


class _Abandoned(Exception):
    """Ends a download that nobody waits for any more."""


def with_progress(find: Callable[[Report], Path]) -> Path:
    """Finds a file that may have to be downloaded first.

    The download runs in a thread of its own, so that the interrupt button works even while a server is silent. What
    came before the interrupt is kept, and the next run goes on from there.

    Args:
        find: Is given what to report progress to, in bytes done and their total.

    Returns:
        What ``find`` returns.

    Raises:
        InterruptProcessingException: The user interrupted.
        Exception: Whatever ``find`` raises.
    """
    abandoned = Event()
    latest: list[tuple[int, int]] = []
    future: Future[Path] = Future()

    def report(done: int, total: int) -> None:
        if abandoned.is_set():
            raise _Abandoned
        latest[:] = [(done, total)]

    def work() -> None:
        try:
            future.set_result(find(report))
        except BaseException as error:
            future.set_exception(error)

    Thread(target=work, name="deblur-download", daemon=True).start()
    bar = ProgressBar(1)
    try:
        while not wait([future], timeout=POLL_SECONDS).done:
            model_management.throw_exception_if_processing_interrupted()
            _show(bar, latest)
    finally:
        abandoned.set()
    _show(bar, latest)
    return future.result()


def _show(bar: ProgressBar, latest: list[tuple[int, int]]) -> None:
    for done, total in latest[:1]:
        bar.update_absolute(done, max(total, 1))

"""How downloads tell their progress."""

from collections.abc import Callable
from typing import TypeAlias

Report: TypeAlias = Callable[[int, int], None]
"""Is given the bytes done and their total, and may raise to end the download; what came so far is kept."""

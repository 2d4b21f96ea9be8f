"""Stand-in for ComfyUI's V3 nodes."""

from abc import ABC, abstractmethod

from . import io

__all__ = ["ComfyExtension", "io"]


class ComfyExtension(ABC):
    async def on_load(self) -> None:  # noqa: B027 - optional, as in ComfyUI
        pass

    @abstractmethod
    async def get_node_list(self) -> list[type[io.ComfyNode]]: ...

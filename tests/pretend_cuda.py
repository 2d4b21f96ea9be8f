"""A CUDA device that is only pretended, on a machine without one.

What is "on" it lies in the memory of the CPU and is computed there. Kept apart is which tensors are on it: operations
that mix devices fail as they would on CUDA, and every place where the CPU would have to wait for the device is noted.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

DEVICE = torch.device("cuda", 0)
ROOT = Path(__file__).parents[1]
WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "repeat_interleave", "_unique2")
STAGED = 64 * 1024
"""Bytes up to which the driver takes a copy of pageable memory and lets the CPU go on."""


class PretendCuda:
    """Which tensors are on the device, and the places in this project where the CPU waited for it."""

    def __init__(self) -> None:
        self._storages: dict[int, StorageWeakRef] = {}
        self._pinned: dict[int, StorageWeakRef] = {}
        self.waits: Counter[str] = Counter()

    def holds(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage()._cdata in self._storages

    def take(self, tensor: Tensor) -> Tensor:
        """The tensor, from now on on the device."""
        storage = tensor.untyped_storage()
        self._storages[storage._cdata] = StorageWeakRef(storage)  # a weak reference keeps the address from being reused
        return tensor

    def leave(self, tensor: Tensor) -> Tensor:
        """The tensor, from now on on the CPU."""
        self._storages.pop(tensor.untyped_storage()._cdata, None)
        return tensor

    def pin(self, tensor: Tensor) -> Tensor:
        pinned = tensor.clone()
        self._pinned[pinned.untyped_storage()._cdata] = StorageWeakRef(pinned.untyped_storage())
        return pinned

    def is_pinned(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage()._cdata in self._pinned

    def wait(self, what: str) -> None:
        frame = sys._getframe()
        while frame and not _of_project(frame.f_code.co_filename):
            frame = frame.f_back  # type: ignore[assignment]
        if frame:
            name = Path(frame.f_code.co_filename).relative_to(ROOT)
            self.waits[f"{name}:{frame.f_lineno} {what}"] += 1


@contextmanager
def pretend_cuda() -> Iterator[PretendCuda]:
    """While it is open, ``torch.device("cuda", 0)`` can be named wherever a device can."""
    cuda = PretendCuda()
    with (
        patch.object(torch, "Generator", _Generator),
        patch.object(torch, "autocast", _Autocast),
        _Functions(cuda),
        _Operations(cuda),
    ):
        yield cuda


class _Generator(torch.Generator):
    def __new__(cls, device: Any = "cpu") -> "_Generator":
        return super().__new__(cls)


class _Autocast(torch.autocast):
    def __init__(self, device_type: str, *rest: Any, **kwargs: Any) -> None:
        super().__init__("cpu", *rest, **kwargs)


def _of_project(file: str) -> bool:
    return file.startswith(str(ROOT)) and file != __file__ and "site-packages" not in file


def _is_cuda(device: Any) -> bool:
    return device is not None and torch.device(device).type == "cuda"


class _Functions(TorchFunctionMode):
    """What Python asks of tensors: devices, transfers, and making tensors on a device."""

    def __init__(self, cuda: PretendCuda) -> None:
        super().__init__()
        self.cuda = cuda

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        cuda, kwargs = self.cuda, dict(kwargs or {})
        name = getattr(function, "__name__", "")
        if function == torch.Tensor.device.__get__:  # type: ignore[attr-defined]
            return DEVICE if cuda.holds(args[0]) else torch.device("cpu")
        if function == torch.Tensor.is_cuda.__get__:  # type: ignore[attr-defined]
            return cuda.holds(args[0])
        if function is torch.Tensor.pin_memory:
            return cuda.pin(args[0])
        if name in ("tolist", "numpy") and cuda.holds(args[0]):
            cuda.wait(name)
        if function in (torch.Tensor.to, torch.Tensor.cpu, torch.Tensor.cuda):
            return self._transfer(function, *args, **kwargs)
        if _is_cuda(kwargs.get("device")):
            if name in ("tensor", "as_tensor"):
                cuda.wait(name)
            return cuda.take(function(*args, **kwargs | {"device": "cpu"}))
        return function(*args, **kwargs)

    def _transfer(self, function: Any, tensor: Tensor, *rest: Any, non_blocking: bool = False, **kwargs: Any) -> Tensor:
        cuda, held = self.cuda, self.cuda.holds(tensor)
        options = list(rest)
        if function is torch.Tensor.cpu:
            target = False
        elif function is torch.Tensor.cuda:
            target = True
        elif options and isinstance(options[0], Tensor):
            other = options.pop(0)
            target = cuda.holds(other)
            options.insert(0, other.dtype)
        elif options and isinstance(options[0], (str, torch.device)):
            target = _is_cuda(options.pop(0))
        elif "device" in kwargs:
            target = _is_cuda(kwargs.pop("device"))
        else:
            target = held
        # clip_grad_norm_ sorts gradients by their device in C++, which sees the CPU.
        inner = sys._getframe(2).f_code.co_filename.endswith("clip_grad.py")
        if held == target or inner:
            return torch.Tensor.to(tensor, *options, **kwargs) if options or kwargs else tensor
        small = tensor.numel() * tensor.element_size() <= STAGED
        if held or not (non_blocking and (small or cuda.is_pinned(tensor))):
            cuda.wait("copy")
        moved = torch.Tensor.to(tensor.detach(), "cpu", *options, **kwargs | {"copy": True})
        return cuda.take(moved) if target else cuda.leave(moved)


class _Operations(TorchDispatchMode):
    """What is computed, forward and backward."""

    def __init__(self, cuda: PretendCuda) -> None:
        super().__init__()
        self.cuda = cuda

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        cuda, kwargs = self.cuda, kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        held = [cuda.holds(tensor) for tensor in tensors]
        results = function(*args, **kwargs)
        name = function.name().removeprefix("aten::").split(".")[0]
        if not any(held):
            return results
        if name == "copy_":
            if not all(held):
                cuda.wait(name)
            return results
        elsewhere = [tensor for tensor, on in zip(tensors, held, strict=True) if not on and tensor.dim() > 0]
        if elsewhere and name.startswith(("index", "_index")):
            cuda.wait("index on the CPU")
        elif elsewhere:
            raise RuntimeError(f"{name}: {[tuple(t.shape) for t in elsewhere]} on the CPU, others on the device")
        if name in WAITING or (name in ("index", "index_put_") and any(t.dtype == torch.bool for t in tensors[1:])):
            cuda.wait(name)
        for result in tree_leaves(results):
            if isinstance(result, Tensor):
                cuda.take(result)
        return results

"""Stand-in for ComfyUI's memory management, with switches for tests and a record of what was asked."""

import torch

free_memory = 2**40
fp16 = False
fp16_intermediates = False
interrupt_at: int | None = None
checks = 0
loads: list[tuple[object, int]] = []
cache_emptied = 0


class InterruptProcessingException(BaseException):
    pass


def reset():
    global free_memory, fp16, fp16_intermediates, interrupt_at, checks, cache_emptied
    free_memory, fp16, fp16_intermediates, interrupt_at, checks, cache_emptied = 2**40, False, False, None, 0, 0
    loads.clear()


def get_torch_device():
    return torch.device("cpu")


def unet_offload_device():
    return torch.device("cpu")


def intermediate_device():
    return torch.device("cpu")


def intermediate_dtype():
    return torch.float16 if fp16_intermediates else torch.float32


def should_use_fp16(device=None, model_params=0, prioritize_performance=True, manual_cast=False):
    return fp16


def get_free_memory(dev=None, torch_free_too=False):
    return free_memory


def load_models_gpu(
    models, memory_required=0, force_patch_weights=False, minimum_memory_required=None, force_full_load=False
):
    for patcher in models:
        loads.append((patcher, memory_required))
        patcher.model.to(patcher.load_device)


def is_oom(e):
    return isinstance(e, torch.OutOfMemoryError)


def raise_non_oom(e):
    if not is_oom(e):
        raise e


def soft_empty_cache(force=False):
    global cache_emptied
    cache_emptied += 1


def throw_exception_if_processing_interrupted():
    global checks
    checks += 1
    if interrupt_at is not None and checks >= interrupt_at:
        raise InterruptProcessingException

"""The start of a checkpoint file on the Hub: what can be known of it before the rest is downloaded."""

from .checkpoint import FORMAT_NAME, MAX_HEADER_BYTES, PICKLE_STARTS, CheckpointError, parse_object
from .header import METADATA

NETWORKS = ("multi-scale", "scale-recurrent", "deblurnet")
"""The networks that this version can build."""
LENGTH_BYTES = 8
MAX_FILE_BYTES = 2 * 2**30
"""Far above any of the networks, whose largest presets take 0.1 GB; what is larger is something else."""


def header_end(name: str, start: bytes, size: int) -> int:
    """Where the header ends, in bytes from the start of the file.

    Args:
        name: The file's name, for messages.
        start: At least its first 8 bytes.
        size: Its size in bytes.

    Raises:
        CheckpointError: It is too large for a checkpoint, a pickle, or not safetensors.
    """
    if size > MAX_FILE_BYTES:
        raise CheckpointError(
            f"{name} has {size / 2**30:.1f} GB and no network of this project takes more than "
            f"{MAX_FILE_BYTES / 2**30:.0f}, so it is not downloaded"
        )
    if start.startswith(PICKLE_STARTS):
        raise CheckpointError(
            f"{name} is a PyTorch pickle under whatever name, and pickles can run code, so it is not downloaded. "
            "Look for the .safetensors version of these weights"
        )
    length = int.from_bytes(start[:LENGTH_BYTES], "little")
    if len(start) < LENGTH_BYTES or not 2 <= length <= min(size - LENGTH_BYTES, MAX_HEADER_BYTES):
        raise CheckpointError(f"{name} is not a safetensors file, whatever its name says, so it is not downloaded")
    return LENGTH_BYTES + length


def header_config(name: str, header: bytes) -> str | None:
    """The configuration in a header, as its JSON text; none if the header has none.

    Raises:
        CheckpointError: The header is not that of a safetensors file, or of another program's checkpoints.
    """
    metadata = parse_object(f"the header of {name}", header).get(METADATA, {})
    if not isinstance(metadata, dict) or not {"format", "config"} <= set(metadata):
        return None
    if str(metadata["format"]).partition(" ")[0] != FORMAT_NAME:
        raise CheckpointError(f"{name}: expected format {FORMAT_NAME!r}, found {metadata['format']!r}")
    return str(metadata["config"])


def check_config(name: str, text: str | bytes) -> None:
    """Raises CheckpointError unless a configuration is a JSON object that names a known network."""
    network = parse_object(f"the configuration of {name}", text).get("network")
    if network not in NETWORKS:
        raise CheckpointError(
            f"{name} is for the network {network!r}, and this version knows {', '.join(NETWORKS)}. "
            "It belongs to another program, or to a newer version of this one"
        )

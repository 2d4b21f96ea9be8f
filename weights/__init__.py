"""Checkpoint files, the catalogue of published weights, and where to find them."""

from .catalogue import CATALOGUE, CatalogueEntry
from .checkpoint import Checkpoint, CheckpointError, Provenance, read_checkpoint, write_checkpoint
from .resolve import CHECKPOINT_SUFFIX, WeightsNotFoundError, find_weights
from .verify import VerificationError, verify_file

__all__ = [
    "CATALOGUE",
    "CHECKPOINT_SUFFIX",
    "CatalogueEntry",
    "Checkpoint",
    "CheckpointError",
    "Provenance",
    "VerificationError",
    "WeightsNotFoundError",
    "find_weights",
    "read_checkpoint",
    "verify_file",
    "write_checkpoint",
]

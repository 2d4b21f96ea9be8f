"""Checkpoint files, the catalogue of published weights, and where to find them."""

from .catalogue import CATALOGUE, CatalogueEntry
from .checkpoint import Checkpoint, CheckpointError, Provenance, read_checkpoint, write_checkpoint
from .reference import CHECKPOINT_SUFFIX, InvalidReferenceError, Reference, parse_reference
from .report import Report
from .resolve import WeightsNotFoundError, find_weights
from .verify import VerificationError, verify_file

__all__ = [
    "CATALOGUE",
    "CHECKPOINT_SUFFIX",
    "CatalogueEntry",
    "Checkpoint",
    "CheckpointError",
    "InvalidReferenceError",
    "Provenance",
    "Reference",
    "Report",
    "VerificationError",
    "WeightsNotFoundError",
    "find_weights",
    "parse_reference",
    "read_checkpoint",
    "verify_file",
    "write_checkpoint",
]

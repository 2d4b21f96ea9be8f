"""The catalogue: which weights there are, as data in ``catalogue.json``."""

import json
from dataclasses import dataclass, field
from pathlib import Path

CATALOGUE_FILE = Path(__file__).with_name("catalogue.json")
BUNDLED_FOLDER = Path(__file__).with_name("bundled")


@dataclass(frozen=True)
class CatalogueEntry:
    """A named, published or bundled checkpoint."""

    name: str
    """What users type."""
    network: str
    """Name of the network: ``multi-scale``, ``scale-recurrent`` or ``deblurnet``."""
    file: str
    """File name on this machine: in the bundled folder and in the user's."""
    sha256: str
    """Hash of the file, hexadecimal."""
    bytes: int
    """Size of the file."""
    licence: str
    """SPDX identifier or name of the weights' licence."""
    repository: str | None = None
    """``owner/name`` on the Hugging Face Hub; none while it is not published."""
    revision: str | None = None
    """The commit in that repository."""
    repository_file: str = "model.safetensors"
    """The file's path in the repository."""
    figures: dict[str, float] = field(default_factory=dict)
    """Measured figures by name, with the unit and the images they were measured on."""
    trained_on: str = ""
    """Training data with its terms, and how the training was done."""
    note: str = ""
    """What a user should know before choosing these weights."""

    @property
    def bundled_path(self) -> Path:
        """Where the file is if it came with this project."""
        return BUNDLED_FOLDER / self.file

    @property
    def available(self) -> bool:
        """Whether the file is bundled or published."""
        return self.bundled_path.is_file() or (self.repository is not None and self.revision is not None)


def read_catalogue(path: Path = CATALOGUE_FILE) -> dict[str, CatalogueEntry]:
    """The catalogue by name, in the file's order."""
    entries = [CatalogueEntry(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    return {entry.name: entry for entry in entries}


CATALOGUE = read_catalogue()

"""What checkpoints there are: in the catalogue, on this machine, and in the Hub's cache folder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .catalogue import CATALOGUE, CatalogueEntry
from .checkpoint import CONFIG_FILE, read_checkpoint
from .model_card import parse_figures
from .preview import check_config, header_config, header_end
from .reference import CHECKPOINT_SUFFIX


@dataclass(frozen=True)
class Item:
    """A checkpoint that can be named as a model, and where it is."""

    name: str
    """What to type: a catalogue name, a path, or a repository."""
    network: str
    """The network's name."""
    bytes: int
    """Size of the file."""
    source: str
    """``bundled``, ``local``, ``cached``, ``on the Hub`` or ``not published``."""
    place: str
    """The file's path, or the repository and the commit."""
    figures: dict[str, float] = field(default_factory=dict)
    """Measured figures by name."""

    @property
    def gain(self) -> str:
        """PSNR and SSIM, before and after, of the first images that were measured."""
        figures = parse_figures(self.figures)
        texts = []
        for metric, form in (("PSNR", ".2f"), ("SSIM", ".4f")):
            values = {figure.blurry: figure.value for figure in reversed(figures) if figure.metric == metric}
            if False in values:
                before = f"{values[True]:{form}} -> " if True in values else ""
                texts.append(f"{metric} {before}{values[False]:{form}}")
        return ", ".join(texts)


def inventory(folders: Sequence[Path] = ()) -> list[Item]:
    """Catalogue entries wherever they are, then other checkpoints in the folders and in the Hub's cache folder."""
    known = {entry.file for entry in CATALOGUE.values()}
    items = [item for entry in CATALOGUE.values() for item in _of_entry(entry, folders)]
    for folder in folders:
        paths = [path for path in sorted(folder.rglob(f"*{CHECKPOINT_SUFFIX}")) if path.name not in known]
        items += [item for path in paths if (item := _of_file(str(path), path, "local"))]
    published = {f"{entry.repository}/{entry.repository_file}@{entry.revision}" for entry in CATALOGUE.values()}
    return items + [item for item in _in_cache() if item.name not in published]


def files_of(entry: CatalogueEntry, folders: Sequence[Path] = ()) -> dict[Path, str]:
    """Files of a catalogue entry on this machine, and whether each is local, bundled or cached."""
    found = {folder / entry.file: "local" for folder in folders if (folder / entry.file).is_file()}
    if entry.bundled_path.is_file():
        found[entry.bundled_path] = "bundled"
    if entry.repository is not None:
        from . import hub  # huggingface_hub takes a second to import

        if path := hub.cached(entry.repository, entry.repository_file, entry.revision):
            found[path] = "cached"
    return found


def _of_entry(entry: CatalogueEntry, folders: Sequence[Path]) -> Iterator[Item]:
    places = [(source, str(path)) for path, source in files_of(entry, folders).items()]
    if entry.repository and entry.revision:
        places.append(("on the Hub", f"{entry.repository}@{entry.revision}"))
    for source, place in places or [("not published", "")]:
        yield Item(entry.name, entry.network, entry.bytes, source, place, entry.figures)


def _of_file(name: str, path: Path, source: str) -> Item | None:
    """None for a file in the cache that is no checkpoint of ours; the user's own are shown as what they are."""
    size = path.stat().st_size
    try:
        _check(path, size)
        checkpoint = read_checkpoint(path)
    except (ValueError, OSError):
        return Item(name, "not a checkpoint", size, source, str(path)) if source == "local" else None
    return Item(name, checkpoint.config["network"], size, source, str(path), checkpoint.provenance.metrics)


def _check(path: Path, size: int) -> None:
    """Looks at the header alone, because other programs' files in the cache are large."""
    with path.open("rb") as file:
        start = file.read(8)
        config = header_config(path.name, file.read(header_end(path.name, start, size) - 8))
    check_config(path.name, path.with_name(CONFIG_FILE).read_text(encoding="utf-8") if config is None else config)


def _in_cache() -> Iterator[Item]:
    from . import hub

    for repository, snapshots in hub.cached_repositories().items():
        for path in sorted(snapshots.glob(f"*/**/*{CHECKPOINT_SUFFIX}")):
            commit, *parts = path.relative_to(snapshots).parts
            name = f"{repository}/{'/'.join(parts)}@{commit}"
            if path.is_file() and (item := _of_file(name, path, "cached")):
                yield item

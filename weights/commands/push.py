"""``python -m weights push``: publishes a checkpoint on the Hugging Face Hub."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from ..publish import prepare, send


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "push",
        help="publish a checkpoint on the Hugging Face Hub",
        description="Creates or updates a repository with the checkpoint, its configuration, a model card and "
        "pictures, and prints the entry for weights/catalogue.json. Log in first with `hf auth login` or set HF_TOKEN.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="checkpoint, as python -m training.export writes it")
    parser.add_argument("--repository", required=True, metavar="OWNER/NAME", help="where to; made if there is none")
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    parser.add_argument("--pictures", type=Path, nargs="+", default=[], metavar="IMAGE", help="shown in the model card")
    parser.add_argument("--name", help="name of the model; default: the repository's name")
    parser.add_argument("--licence", help="of the weights; default: the one in the checkpoint")
    parser.add_argument(
        "--dataset",
        action="append",
        default=[],
        metavar="OWNER/NAME",
        help="training data as the Hub lists it, for its search; may be given several times",
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would be sent, and send nothing")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    publication = prepare(
        options.file,
        options.repository,
        name=options.name,
        licence=options.licence,
        pictures=options.pictures,
        datasets=options.dataset,
    )
    print(f"{'would be sent' if options.dry_run else 'sending'} to {publication.entry.repository}:")
    for path, size in publication.sizes().items():
        print(f"{size:12,d} bytes  {path}")
    entry = publication.entry
    if options.dry_run:
        print(f"\nREADME.md:\n\n{publication.card}\nthe catalogue entry, with the commit to come:")
    else:
        entry = send(publication, private=options.private)
        print(f"sent. The entry for weights/catalogue.json, pinned to commit {entry.revision}:")
    print(json.dumps(asdict(entry), indent=2, ensure_ascii=False))
    return 0

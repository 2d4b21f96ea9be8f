"""The command line of the weights: ``python -m weights list | show | verify | pull | push | convert``."""

import argparse
import sys

from .commands import convert, pull, push, show, verify
from .commands import list as list_command

COMMANDS = (
    list_command,
    show,
    verify,
    pull,
    push,
    convert,
)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m weights", description="Lists, downloads, checks, publishes and converts checkpoints."
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(subparsers)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; what was downloaded is kept, and the same command goes on from there", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())

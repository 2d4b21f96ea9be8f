"""The command line: ``python -m deblur restore`` and ``python -m deblur networks``."""

import argparse
import sys

from .commands import networks, restore


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m deblur", description="Restores motion-blurred photographs.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module, summary in (
        ("restore", restore, "restore image files"),
        ("networks", networks, "list the networks and their costs"),
    ):
        module.add_arguments(commands.add_parser(name, help=summary, description=summary.capitalize() + "."))
    options = parser.parse_args(arguments)
    try:
        return {"restore": restore.run, "networks": networks.run}[options.command](options)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())

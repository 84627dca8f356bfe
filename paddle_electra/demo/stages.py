"""A stage of the demo: a command that a user would type, printed before it runs."""

import shlex
import time
from pathlib import Path

from ..errors import InputError

SAMPLE = Path(__file__).resolve().parents[1] / "assets" / "sample"


def quote(path):
    """A path as a word of a command."""
    return shlex.quote(str(path))


def title(text):
    """Print the heading of a stage."""
    print(f"\n=== {text} ===", flush=True)


def stage(heading, *commands, made=None):
    """Print and run commands of paddle-electra in this process.

    Args:
        heading: what they do, for people; begins with the stage's number.
        made: what there is then, to be named with the time it took.
    Raises:
        InputError: a command failed.
    """
    from ..cli import main

    title(heading)
    started = time.monotonic()
    for command in commands:
        print(f"$ paddle-electra {command}", flush=True)
        if main(shlex.split(command)) != 0:
            number = heading.partition(" ")[0]
            raise InputError(f"the demo stopped at stage {number}; see the message above")
    if made is not None:
        print(f"--- made {made} in {time.monotonic() - started:.0f} s", flush=True)

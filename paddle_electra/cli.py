"""The command line: one table of commands.

To add a command, add a row: its words, the dataclass of its options, the function that takes an
instance of it, and one line of help.  Both are named as ``module:attribute`` and imported only
when that command is asked for, so that ``--help`` loads neither paddle nor paddlehub.
"""

import difflib
import importlib
import sys
from typing import NamedTuple

from .errors import InputError


class Command(NamedTuple):
    options: str
    run: str
    help: str


COMMANDS = {
    "vocab": Command(
        "text.learn:VocabOptions", "text.learn:run", "learn a WordPiece vocabulary from a corpus"
    ),
    "data build": Command(
        "pretraining.options:BuildOptions",
        "pretraining.build:run",
        "turn plain text into shards of token ids for pretraining",
    ),
    "data preview": Command(
        "pretraining.options:PreviewOptions",
        "pretraining.preview:run",
        "print decoded examples and the statistics of a shard folder",
    ),
    "pretrain": Command(
        "pretraining.options:PretrainOptions",
        "pretraining.run:run",
        "pretrain a generator and a discriminator on shards",
    ),
    "finetune": Command(
        "finetuning.options:FinetuneOptions",
        "finetuning.run:run",
        "fine-tune a pretrained model on a task and score it",
    ),
    "module build": Command(
        "hub.options:ModuleBuildOptions",
        "hub.packaging:run",
        "make a self-contained PaddleHub module from a model",
    ),
    "demo": Command(
        "demo:DemoOptions", "demo:run", "run the whole pipeline on the packaged sample"
    ),
}


def _load(reference):
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(f".{module}", __package__), attribute)


def _overview():
    width = max(map(len, COMMANDS))
    lines = [
        "usage: paddle-electra COMMAND [--option value ...]",
        "",
        "ELECTRA for Chinese text on PaddlePaddle: pretraining, fine-tuning, PaddleHub modules.",
        "",
        "commands:",
        *(f"  {name:<{width}}  {command.help}" for name, command in COMMANDS.items()),
        "",
        "paddle-electra COMMAND --help lists every option of a command with its default.",
    ]
    return "\n".join(lines)


def _find_command(arguments):
    """Split the arguments into (command name, the rest)."""
    for words in (2, 1):
        name = " ".join(arguments[:words])
        if len(arguments) >= words and name in COMMANDS:
            return name, arguments[words:]
    group = [name for name in COMMANDS if name.split()[0] == arguments[0]]
    if group:
        raise InputError(f"{arguments[0]!r} needs a second word: {', '.join(group)}")
    near = difflib.get_close_matches(arguments[0], [name.split()[0] for name in COMMANDS], n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(COMMANDS)}"
    raise InputError(f"unknown command {arguments[0]!r}; {hint}")


def main(arguments=None):
    """Run one command; the entry point of ``paddle-electra``.

    Returns the exit code: 0, 2 for a user's mistake (one line on standard error), 130 when
    interrupted.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        return 0
    if arguments[0] == "--version":
        from . import __version__

        print(f"paddle-electra {__version__}")
        return 0
    try:
        from .config import from_arguments

        name, rest = _find_command(arguments)
        command = COMMANDS[name]
        options = from_arguments(
            _load(command.options), rest, f"paddle-electra {name}", command.help
        )
        from .runtime import prepare_environment

        prepare_environment()
        _load(command.run)(options)
    except InputError as error:
        print(f"paddle-electra: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("paddle-electra: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""The command line: one table of commands.

To add a command, add a row: its words, the dataclass of its options, the function that takes an
instance of it, and one line of help.  Both are named as ``module:attribute`` and imported only
when that command is asked for, so that ``--help`` loads neither paddle nor paddlehub.
"""

import difflib
import errno
import importlib
import os
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
        "pretraining.data_options:BuildOptions",
        "pretraining.build:run",
        "turn plain text into shards of token ids for pretraining",
    ),
    "data merge": Command(
        "pretraining.data_options:MergeOptions",
        "pretraining.merge:run",
        "put the parts of a build together that several machines made",
    ),
    "data from-tfrecords": Command(
        "pretraining.data_options:FromTfrecordsOptions",
        "pretraining.from_tfrecords:run",
        "turn the original's pretrain_data.tfrecord* files into shards, without TensorFlow",
    ),
    "data preview": Command(
        "pretraining.data_options:PreviewOptions",
        "pretraining.preview:run",
        "print decoded examples and the statistics of a shard folder",
    ),
    "build-pretraining-dataset": Command(
        "pretraining.data_options:OriginalBuildOptions",
        "pretraining.original_build:run",
        "build shards with the flags of the original's build_pretraining_dataset.py",
    ),
    "plan": Command(
        "planning.options:PlanOptions",
        "planning.planner:run",
        "compute parameters, FLOPs, memory, time and disk of a pretraining run",
    ),
    "pretrain": Command(
        "pretraining.options:PretrainOptions",
        "pretraining.run:run",
        "pretrain a generator and a discriminator on shards",
    ),
    "run-pretraining": Command(
        "pretraining.original_options:RunPretrainingOptions",
        "pretraining.original_run:run",
        "pretrain with the flags and folders of the original's run_pretraining.py",
    ),
    "finetune": Command(
        "finetuning.options:FinetuneOptions",
        "finetuning.run:run",
        "fine-tune a pretrained model on a task and score it",
    ),
    "run-finetuning": Command(
        "finetuning.original_command:RunFinetuningOptions",
        "finetuning.original_command:run",
        "fine-tune with the flags and folders of the original's run_finetuning.py",
    ),
    "evaluate": Command(
        "finetuning.reading_scores:EvaluateOptions",
        "finetuning.reading_scores:run",
        "score answers to CMRC 2018 or DRCD as the official script does",
    ),
    "predict": Command(
        "inference.answer_options:PredictOptions",
        "inference.commands:run_predict",
        "label texts, pairs or words with a fine-tuned model",
    ),
    "embed": Command(
        "inference.answer_options:EmbedOptions",
        "inference.commands:run_embed",
        "turn texts into vectors",
    ),
    "fill-mask": Command(
        "inference.answer_options:FillMaskOptions",
        "inference.commands:run_fill_mask",
        "guess what stands behind each [MASK], with a pretrained generator",
    ),
    "detect": Command(
        "inference.answer_options:DetectOptions",
        "inference.commands:run_detect",
        "find characters that were put in the place of others, such as typing errors",
    ),
    "answer": Command(
        "inference.answer_options:AnswerOptions",
        "inference.commands:run_answer",
        "answer questions from their contexts with a model fine-tuned on reading comprehension",
    ),
    "convert": Command(
        "checkpoint.options:ConvertOptions",
        "checkpoint.conversion:run",
        "turn a model of any format into another format",
    ),
    "convert-to-torch": Command(
        "checkpoint.options:TorchScriptOptions",
        "checkpoint.conversion:run_torch_script",
        "half a TensorFlow checkpoint as PyTorch's state dict, with Hugging Face's script's flags",
    ),
    "report": Command(
        "reporting.options:ReportOptions",
        "reporting.report:run",
        "draw the curves of one training run or several, and sum them up",
    ),
    "export": Command(
        "inference.options:ExportOptions",
        "inference.export:run",
        "write a network as Paddle's static graph or as ONNX, for other programs",
    ),
    "validate": Command(
        "validate:ValidateOptions",
        "validate:run",
        "say what a model, shards, a module or task files are, and whether they are sound",
    ),
    "doctor": Command(
        "doctor.options:DoctorOptions",
        "doctor.run:run",
        "say whether this machine is fit for the toolkit, and how to cure what is not",
    ),
    "serve": Command(
        "serving.options:ServeOptions",
        "serving.command:run",
        "answer requests for a model over HTTP, without PaddleHub",
    ),
    "module build": Command(
        "hub.options:ModuleBuildOptions",
        "hub.packaging:run",
        "make a self-contained PaddleHub module from a model",
    ),
    "demo": Command(
        "demo.options:DemoOptions",
        "demo.run:run",
        "show what the shipped model does, or the whole pipeline on the packaged sample",
    ),
}


def _load(reference):
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(f".{module}", __package__), attribute)


def _overview(commands):
    width = max(map(len, commands))
    lines = [
        "usage: paddle-electra COMMAND [--option value ...]",
        "",
        "ELECTRA for Chinese text on PaddlePaddle: pretraining, fine-tuning, PaddleHub modules.",
        "",
        "commands:",
        *(f"  {name:<{width}}  {command.help}" for name, command in commands.items()),
        "",
        "paddle-electra COMMAND --help lists every option of a command with its default.",
    ]
    return "\n".join(lines)


def _starting_with(word):
    return {name: command for name, command in COMMANDS.items() if name.split()[0] == word}


def _find_command(arguments):
    """Split the arguments into (command name, the rest)."""
    for words in (2, 1):
        name = " ".join(arguments[:words])
        if len(arguments) >= words and name in COMMANDS:
            return name, arguments[words:]
    group = _starting_with(arguments[0])
    if group and (len(arguments) == 1 or arguments[1].startswith("-")):
        raise InputError(f"{arguments[0]!r} needs a second word: {', '.join(group)}")
    given = " ".join(arguments[: 2 if group else 1])
    known = group or [*COMMANDS, *(name.split()[0] for name in COMMANDS), "--help", "--version"]
    near = difflib.get_close_matches(given, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(group or COMMANDS)}"
    raise InputError(f"unknown command {given!r}; {hint}")


def main(arguments=None):
    """Run one command; the entry point of ``paddle-electra``.

    Returns the exit code: 0, 2 for what a user can mend (one line on standard error), 130 when
    interrupted, 141 when the reader of the output has gone, as with ``| head``.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if hasattr(sys.stdout, "reconfigure") and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # what a GBK terminal cannot show
    try:
        if (overview := _asked_for(arguments)) is not None:
            print(overview)
        else:
            _run(arguments)
        sys.stdout.flush()
    except InputError as error:
        return _refuse(error)
    except BrokenPipeError:
        # Python flushes standard output once more at its end, which must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if error.errno not in _MENDABLE:
            raise
        return _refuse(f"{error.filename or 'a file'}: {error.strerror}")
    except MemoryError:
        return _refuse(
            "out of memory; take smaller batches or shorter sequences "
            "(in pretraining also: more --gradient-accumulation-steps)"
        )
    except KeyboardInterrupt:
        print("paddle-electra: interrupted", file=sys.stderr)
        return 130
    return 0


# What the surroundings of a run cause, wherever it strikes: no space, no permission, a file in
# the place of a folder.  Anything else is a mistake of ours and keeps its traceback.
_MENDABLE = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.EIO,
)


def _refuse(message):
    line = " ".join(str(message).splitlines())
    print(f"paddle-electra: error: {line}", file=sys.stderr)
    return 2


def _asked_for(arguments):
    """The text for ``--help``, ``GROUP --help`` and ``--version``; None for a command."""
    if not arguments or arguments[0] in ("-h", "--help"):
        return _overview(COMMANDS)
    if arguments[0] == "--version":
        from . import __version__

        return f"paddle-electra {__version__}"
    group = _starting_with(arguments[0])
    if group and arguments[0] not in COMMANDS and arguments[1:] in (["-h"], ["--help"]):
        return _overview(group)
    return None


def _run(arguments):
    from .config import from_arguments

    name, rest = _find_command(arguments)
    command = COMMANDS[name]
    options = from_arguments(_load(command.options), rest, f"paddle-electra {name}", command.help)
    from .runtime import prepare_environment

    prepare_environment()
    _load(command.run)(options)


if __name__ == "__main__":
    raise SystemExit(main())

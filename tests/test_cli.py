"""The command line itself: quick, complete help, and answers to misspelt commands."""

import dataclasses
import errno
import importlib
import io
import json
import os
import re
import resource
import subprocess
import sys

import pytest

from paddle_electra import __version__, cli
from paddle_electra.errors import InputError

# Runs the command line with the given arguments, then says which packages are loaded.
PROBE = """
import json, sys
from paddle_electra.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as stop:
    code = stop.code
loaded = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps([code, loaded]), file=sys.stderr)
"""


def run_python(*arguments, **named):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, encoding="utf-8", **named
    )


def probe(*arguments):
    """(exit code, top-level packages loaded, standard output) of the command line."""
    done = run_python("-c", PROBE, *arguments)
    assert done.returncode == 0, done.stderr
    return *json.loads(done.stderr), done.stdout


def options_of(name):
    module, _, attribute = cli.COMMANDS[name].options.partition(":")
    return getattr(importlib.import_module(f"paddle_electra.{module}"), attribute)


def help_of(name, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([*name.split(), "--help"])
    assert stop.value.code == 0
    return capsys.readouterr().out


def shown(default):
    """How help writes a default."""
    if default is dataclasses.MISSING:
        return "required"
    if isinstance(default, bool):
        default = "on" if default else "off"
    return f"default: {'none' if default in (None, ()) else default}"


def refused(arguments, capsys):
    """The one line on standard error that ``arguments`` are answered with."""
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("paddle-electra: error: ")
    return error


def test_help_takes_less_than_a_second_of_cpu():
    def seconds():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = seconds()
    done = run_python("-m", "paddle_electra", "--help")
    assert seconds() - before < 1
    assert done.returncode == 0
    for name, command in cli.COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(command.help)}$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("name", ["", *cli.COMMANDS])
def test_help_loads_no_paddle(name):
    code, loaded, output = probe(*name.split(), "--help")
    assert code == 0
    assert output.startswith(f"usage: paddle-electra {name}")
    assert "paddle_electra" in loaded
    assert not {"paddle", "paddlehub", "paddlenlp", "visualdl"} & set(loaded)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_help_lists_every_option_with_its_default(name, capsys):
    text = help_of(name, capsys).replace("\noptions:\n", "\n")
    # One entry an option: from its flag to the next one, with the line breaks taken out.
    found = re.split(r"^  (?:-h, )?(?:--)?([a-z0-9-]+|[A-Z_]+(?= ))", text, flags=re.MULTILINE)
    entries = {
        key.lower().replace("_", "-"): " ".join(rest.split())
        for key, rest in zip(found[1::2], found[2::2], strict=True)
    }
    fields = dataclasses.fields(options_of(name))
    assert set(entries) == {"help", *(field.name.replace("_", "-") for field in fields)}
    for field in fields:
        entry = entries[field.name.replace("_", "-")]
        assert entry.endswith(f"({shown(field.default)})"), entry
        assert field.metadata["help"], f"{field.name}: no words of help"
        for choice in field.metadata["choices"] or ():
            assert choice in entry


def test_help_of_a_group(capsys):
    assert cli.main(["data", "--help"]) == 0
    text = capsys.readouterr().out
    assert "data build" in text
    assert "data preview" in text
    assert "finetune" not in text


def test_no_arguments_show_the_overview(capsys):
    assert cli.main([]) == 0
    assert capsys.readouterr().out.startswith("usage: paddle-electra COMMAND")


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"paddle-electra {__version__}\n"


def test_package_and_console_script_are_the_same_program():
    expected = f"paddle-electra {__version__}\n"
    assert run_python("-m", "paddle_electra", "--version").stdout == expected
    script = os.path.join(os.path.dirname(sys.executable), "paddle-electra")
    if os.path.exists(script):
        assert run_python(script, "--version").stdout == expected


def test_exit_code_and_message_reach_the_shell():
    done = run_python("-m", "paddle_electra", "pretain")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "paddle-electra: error: unknown command 'pretain'; did you mean 'pretrain'?\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fintune", "--task", "x"], "unknown command 'fintune'; did you mean 'finetune'?"),
        (["data", "biuld"], "unknown command 'data biuld'; did you mean 'data build'?"),
        (["dta", "build"], "unknown command 'dta'; did you mean 'data'?"),
        (["data", "--input", "x"], "'data' needs a second word: data build, data merge"),
        (["--hlep"], "unknown command '--hlep'; did you mean '--help'?"),
        (["frobnicate"], "unknown command 'frobnicate'; there are: vocab, data build"),
        (["pretrain", "--learning-rat", "1"], "'learning-rat'; did you mean 'learning_rate'?"),
        (["pretrain", "--zzz"], "unknown hyperparameter or option 'zzz'; --help lists"),
    ],
)
def test_what_is_unknown_names_the_nearest(arguments, message, capsys):
    assert message in refused(arguments, capsys)


@pytest.fixture
def failing(monkeypatch):
    """failing(error): a command ``fail`` whose run raises it."""

    def _failing(error):
        def run(options):
            raise error

        monkeypatch.setattr(cli, "_load", lambda reference: run if reference == "run" else Empty)
        monkeypatch.setitem(cli.COMMANDS, "fail", cli.Command("options", "run", "fails"))
        return ["fail"]

    return _failing


@dataclasses.dataclass(frozen=True, kw_only=True)
class Empty:
    """No options."""


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (InputError("two\nlines"), "error: two lines\n"),
        (OSError(errno.ENOSPC, "No space left on device", "out/f"), "out/f: No space left"),
        (PermissionError(errno.EACCES, "Permission denied", "f"), "f: Permission denied"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "f/g"), "f/g: Not a directory"),
        (MemoryError("Out of memory error on GPU 0.\n(at alloc.cc)"), "take smaller batches"),
    ],
)
def test_what_the_surroundings_cause_is_one_line(failing, error, message, capsys):
    assert message in refused(failing(error), capsys)


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "?"), KeyError("bug")])
def test_mistakes_of_ours_keep_their_traceback(failing, error):
    with pytest.raises(type(error)):
        cli.main(failing(error))


def test_what_a_terminal_cannot_show_is_no_error(failing, monkeypatch):
    shown = io.TextIOWrapper(io.BytesIO(), encoding="gbk")
    command = failing(None)
    monkeypatch.setattr(
        cli, "_load", lambda name: (lambda _: print("天¦气")) if name == "run" else Empty
    )
    monkeypatch.setattr(sys, "stdout", shown)
    assert cli.main(command) == 0
    assert shown.buffer.getvalue().decode("gbk") == "天\\xa6气\n"


def test_interrupted(failing, capsys):
    assert cli.main(failing(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "paddle-electra: interrupted\n"


def test_a_reader_that_leaves_early_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "paddle_electra", "--help"], stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")

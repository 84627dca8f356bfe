"""What every recorded result states: hardware, versions, command, date."""

import datetime
import os
import platform
import shlex
import sys
from importlib import metadata
from pathlib import Path

PACKAGES = ("paddlepaddle", "numpy", "tokenizers", "safetensors", "paddlehub", "paddlenlp")
_REMARKS = ("--about", "--note")  # options whose text stands in the record by itself

# What paddle and paddle_electra set in the environment of a benchmark's own process.
_SET_HERE = ("OMP_", "MKL_", "KMP_", "GOMP_", "MALLOC_", "FLAGS_")


def user_environment(*also):
    """The environment for a process that is to begin as a user's would.

    Args:
        also: beginnings of more names to leave out.
    """
    left_out = (*_SET_HERE, *also)
    return {key: value for key, value in os.environ.items() if not key.startswith(left_out)}


def exit_code(name, work):
    """Run a benchmark that continues: 2 for what a user can mend, 130 when interrupted.

    Args:
        name: how it calls itself on standard error.
        work: function that returns the exit code.
    """
    from paddle_electra.errors import InputError

    try:
        return work()
    except InputError as error:
        print(f"{name}: error: {' '.join(str(error).splitlines())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{name}: interrupted; the same command continues", file=sys.stderr)
        return 130


def processor():
    """The processor's name and the number of cores this process may use."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def versions():
    """Versions of Python and the packages that matter."""
    found = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def command_line(words=None):
    """The command for the record: an option's name in capitals instead of a path, and no remarks.

    Args:
        words: what followed the script; default: what this process was started with.
    """
    shown, option = [], ""
    for word in sys.argv[1:] if words is None else words:
        is_option = word.startswith("--")
        if is_option:
            option, equals, value = word.partition("=")
        else:
            value = word
        if option in _REMARKS:
            continue
        name = option[2:].upper().replace("-", "_")
        path = name if os.sep in value else value
        shown.append(f"{option}{equals}{path}" if is_option else path)
    script = Path(sys.argv[0]).name
    return f"python benchmarks/{script} {shlex.join(shown)}".rstrip()


def header(title, command=None):
    """The first lines of a result file, as markdown.

    Args:
        command: default: that of `command_line`.
    """
    command = command or command_line()
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    return (
        f"# {title}\n\n"
        f"- date: {datetime.date.today()}\n"
        f"- hardware: {processor()}\n"
        f"- versions: {versions()}\n"
        f"- threads: OMP_NUM_THREADS {threads}\n"
        f"- command: `{command}`\n\n"
    )

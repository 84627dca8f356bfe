"""Imports that may fail, crash or hang, tried in other processes and without a network."""

import contextlib
import json
import os
import site
import subprocess
import sys
import tempfile
from typing import NamedTuple

ABSENT, IMPORTS, FAILS, CRASHES, HANGS = "absent", "imports", "fails", "crashes", "hangs"

STEPS = 4

# Says of each name in turn how its import went, as a line of JSON.  Of paddle also what the GPU
# checks need; `cuda_archs` is there from Paddle 3 on.
_SCRIPT = """
import importlib, importlib.util, json, os, socket, sys, time
def refuse(*arguments, **named):
    raise OSError("paddle-electra doctor tries imports without a network")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
def say(name, state, **more):
    print(json.dumps({"name": name, "state": state, **more}), file=answers, flush=True)
def about(paddle):
    archs = getattr(paddle.version, "cuda_archs", None)
    return {
        "version": paddle.__version__,
        "cuda": paddle.version.cuda() if paddle.device.is_compiled_with_cuda() else None,
        "archs": str(archs()) if archs else None,
        "gpus": paddle.device.cuda.device_count() if paddle.device.is_compiled_with_cuda() else 0,
    }
for name in sys.argv[1:]:
    if importlib.util.find_spec(name) is None:
        say(name, "absent")
        continue
    say(name, "begins")
    try:
        start = time.monotonic()
        module = importlib.import_module(name)
        seconds = time.monotonic() - start
        more = about(module) if name == "paddle" else {"paddlenlp": "paddlenlp" in sys.modules}
    except BaseException as error:
        kind = type(error)
        home = "" if kind.__module__ == "builtins" else kind.__module__ + "."
        say(name, "fails", message=f"{home}{kind.__name__}: {error}")
        break
    say(name, "imports", seconds=round(seconds, 1), **more)
os._exit(0)
"""


class Trial(NamedTuple):
    """How an import went.

    Attributes:
        state: `ABSENT` (not installed), `IMPORTS`, `FAILS`, `CRASHES` or `HANGS`.
        message: of the exception, or how the process ended; may have several lines.
        about: what the package says of itself, a dict.
    """

    state: str
    message: str = ""
    about: dict = {}  # noqa: RUF012  (never changed)


def try_all(timeout, advance):
    """{name: `Trial`} for paddle, scipy after paddle, visualdl, paddlehub and paddlenlp.

    Args:
        timeout: seconds that a process may take.
        advance: called after each of `STEPS` processes.
    """
    found = {}
    for names in (["paddle", "scipy"], ["visualdl"], ["paddlehub"]):
        found |= try_imports(names, timeout)
        advance()
    if found["paddlehub"].about.get("paddlenlp"):  # PaddleHub has imported it
        found["paddlenlp"] = Trial(IMPORTS)
    else:
        found |= try_imports(["paddlenlp"], timeout)
    advance()
    return found


def try_imports(names, timeout):
    """Import packages one after another in one process, up to the first that does not.

    They get a home folder of their own, so that what they make when they are imported for the
    first time does not lie about in the user's.

    Returns:
        {name: `Trial`}, without those that were not come to.
    """
    try:
        with tempfile.TemporaryDirectory(
            prefix="paddle-electra-", ignore_cleanup_errors=True
        ) as home:
            return _read(names[0], *_run(names, timeout, home))
    except OSError as error:
        return {names[0]: Trial(FAILS, f"it could not be tried: {error}")}


def _run(names, timeout, home):
    """(standard output, how the process ended: None, or a state and words)."""
    environment = {
        **os.environ,
        "HOME": home,
        "USERPROFILE": home,
        "HUB_HOME": os.path.join(home, "hub"),
        "PPNLP_HOME": os.path.join(home, "nlp"),
        "PYTHONUSERBASE": site.getuserbase(),  # would follow HOME
        "PYTHONIOENCODING": "utf-8",
    }
    command = [sys.executable, "-W", "ignore", "-c", _SCRIPT, *names]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=timeout, env=environment, cwd=home
        )
    except subprocess.TimeoutExpired as error:
        return error.stdout or b"", (HANGS, f"no answer after {timeout:g} seconds")
    if done.returncode == 0:
        return done.stdout, None
    how = f"the process ended with exit code {done.returncode}"
    if done.returncode < 0:
        how = f"the process was ended by signal {-done.returncode}{_name_of(-done.returncode)}"
    return done.stdout, (CRASHES, how)


def _name_of(number):
    names = {4: "illegal instruction", 6: "abort", 7: "bus error", 9: "killed, out of memory?"}
    names[11] = "segmentation fault"
    return f" ({names[number]})" if number in names else ""


def _read(first, output, end):
    unanswered = Trial(*(end or (CRASHES, "the process ended without an answer")))
    found = {first: unanswered}
    for line in output.decode("utf-8", "replace").splitlines():
        with contextlib.suppress(ValueError):
            answer = json.loads(line)
            name, state = answer.pop("name"), answer.pop("state")
            found[name] = Trial(state, answer.pop("message", ""), answer)
            if state == "begins":  # until there is a line that says how it ended
                found[name] = unanswered
    return found

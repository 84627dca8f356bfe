"""The stages that use a module: installed, asked in Python, served, asked over HTTP."""

import contextlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from ..errors import InputError
from .stages import title

NAME = "chinese-electra-tiny"
TEXTS = ["物流很快，包装完好，用起来很满意。", "质量太差，用了两天就坏了。"]


def have_paddlehub():
    """Is PaddleHub installed?"""
    return importlib.util.find_spec("paddlehub") is not None


# PaddleHub's own console script, called so that it is the one of this Python.
_HUB = "import sys; from paddlehub.commands.utils import execute; sys.exit(execute())"
_PREDICT = """
import json, sys
import paddlehub as hub
name, texts, arguments = json.loads(sys.argv[1])
module = hub.Module(name=name, **arguments)
answers, shares = module.predict([[text] for text in texts], return_prob=True)
for text, answer, share in zip(texts, answers, shares):
    print(f"    {text}  ->  {answer} ({max(share):.2f})")
pooled, tokens = module.get_embedding([texts[:1]])[0]
print(f"    get_embedding: {len(pooled)} numbers a text, {len(tokens)} token vectors")
"""


def use(folder, home, stages, arguments, request):
    """Install a module, ask it in Python, serve it and ask over HTTP; all without a network.

    Args:
        folder: of the module.
        home: new folder for PaddleHub's files.
        stages: numbers of the two stages, such as ("6/7", "7/7").
        arguments: of ``hub.Module`` besides the name.
        request: fields of the HTTP request besides ``data``.
    Raises:
        InputError: PaddleHub or the server failed.
    """
    home.mkdir()
    # PIP_NO_INDEX: `hub install` asks pip for the requirements, which are installed already.
    environment = {
        **os.environ,
        "HUB_HOME": str(home),
        "PIP_NO_INDEX": "1",
        "PYTHONWARNINGS": "ignore",
    }
    title(f"{stages[0]} hub.Module")
    print(f"$ HUB_HOME={home} hub install {folder}", flush=True)
    _run_python(_HUB, ["install", str(folder)], environment, show=False)
    shown = "".join(f", {key}={value!r}" for key, value in arguments.items())
    print(f'>>> hub.Module(name="{NAME}"{shown})', flush=True)
    _run_python(_PREDICT, [json.dumps([NAME, TEXTS, arguments])], environment, show=True)

    port = _free_port()
    title(f"{stages[1]} serving")
    print(f"$ hub serving start -m {NAME} -p {port}", flush=True)
    log_file = home / "serving.log"
    with open(log_file, "wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", _HUB, "serving", "start", "-m", NAME, "-p", str(port)],
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        answer = _ask(server, f"http://127.0.0.1:{port}/predict/{NAME}", request, log_file)
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(15)
        if server.poll() is None:
            server.kill()
    print(f"    answer: {_shortened(answer)}")


def _run_python(code, arguments, environment, show):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    if done.returncode != 0:
        sys.stderr.write(done.stderr[-4000:])
        raise InputError("PaddleHub failed; see its messages above")
    if show:
        print("\n".join(line for line in done.stdout.splitlines() if line.startswith("    ")))


def _ask(server, address, request, log_file, seconds=120):
    """POST the texts once the server listens; the parsed answer."""
    body = json.dumps({"data": [[text] for text in TEXTS], **request}).encode("utf-8")
    shown = json.dumps({"data": [[TEXTS[0]], ["..."]], **request}, ensure_ascii=False)
    print(f"$ curl -H 'Content-Type: application/json' -d '{shown}' {address}", flush=True)
    post = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with opener.open(post, timeout=60) as response:
                return _checked(json.load(response))
        except (ConnectionError, urllib.error.URLError) as error:
            if isinstance(error, urllib.error.HTTPError):
                raise InputError(f"the server answered {error.code}; see {log_file}") from None
            time.sleep(0.3)
    raise InputError(f"the server did not start; see {log_file}")


def _checked(answer):
    """PaddleHub answers 200 also when a request failed; the body says so."""
    if answer.get("status") != "000" or len(answer.get("results", ())) != len(TEXTS):
        raise InputError(f"the server's answer is not one label a text: {answer}")
    return answer


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _shortened(answer, limit=400):
    text = json.dumps(answer, ensure_ascii=False)
    return text if len(text) <= limit else f"{text[:limit]} ..."

import json
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest
from tiny_checkpoint import TEXTS, make_checkpoint

from paddle_electra.cli import main
from paddle_electra.inference.predictor import Predictor


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("served") / "my model", ["bad", "good"])


@pytest.mark.slow
def test_from_the_command_to_an_answer_and_to_its_end(model):
    command = [sys.executable, "-m", "paddle_electra", "serve", "--model", str(model)]
    process = subprocess.Popen(
        [*command, "--port", "0", "--page", "--max-items", "9"], stderr=subprocess.PIPE, text=True
    )
    timer = threading.Timer(120, process.kill)
    timer.start()
    try:
        found = None
        while found is None:
            line = process.stderr.readline()
            assert line, "it ended before it listened"
            found = re.fullmatch(
                r"http://(127\.0\.0\.1:\d+)(/predict/my-model) answers; .*\n", line
            )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        base = f"http://{found[1]}"

        def ask(**body):
            data, kind = json.dumps(body).encode(), {"Content-Type": "application/json"}
            with opener.open(urllib.request.Request(base + found[2], data, kind)) as reply:
                return json.loads(reply.read())

        assert ask(data=TEXTS)["results"] == Predictor.load(model).predict(TEXTS)
        assert "more than the 9" in ask(data=["好"] * 10)["msg"]
        with opener.open(f"{base}/health/my-model") as reply:
            health = json.loads(reply.read())["results"]
        assert health["requests"] == {"answered": 1, "refused": 1, "busy": 0, "failed": 0}
        with opener.open(base) as reply:
            assert b"page.js" in reply.read()
        document = Path(__file__).parents[2].joinpath("docs", "SERVING.md").read_text("utf-8")
        client = re.search(r"```python\n(.*?)\n\n\nask\(", document, re.DOTALL)[1]
        exec(client, names := {})
        assert len(names["ask"]("my-model", TEXTS, base, task="embedding")) == len(TEXTS)
        with pytest.raises(ValueError, match="'data' is an empty list"):
            names["ask"]("my-model", [], base)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "/nowhere/model"], "/nowhere/model"),
        (["--model", "MODEL", "--name", "a/b"], "--name 'a/b': expected letters"),
        (["--model", "MODEL", "--port", "70000"], "--port 70000: expected from 0 to 65535"),
        (["--model", "MODEL", "--queue", "0"], "--queue 0: expected at least 1"),
        (["--model", "MODEL", "--host", "192.0.2.1"], "192.0.2.1, port 8866: cannot listen there"),
    ],
)
def test_a_mistake_is_one_line(model, options, words, capsys):
    options = [str(model) if option == "MODEL" else option for option in options]
    assert main(["serve", *options]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1

"""Serving under load: our module and the published one's code, behind ``hub serving``.

    python benchmarks/load_serving.py --output benchmarks/results/DATE-HW-load-serving.md

Clients send requests of mixed length, a share malformed, all on loopback.  Every good answer
is compared with what the request gets alone, every malformed one must get its message.  The
published module's code (PaddleHub's TransformerModule over PaddleNLP's network) has the same
weights and gets fewer requests, without the mistakes that would keep it busy for minutes.  In
``hub serving --use_multiprocess`` one worker is killed half-way.
"""

import argparse
import http.client
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import load_serving_clients as clients  # noqa: E402
import load_serving_models as models  # noqa: E402
from record import header  # noqa: E402

from paddle_electra.files import atomic_write  # noqa: E402
from paddle_electra.hub.loading import load_predictor  # noqa: E402
from paddle_electra.progress import progress_bar  # noqa: E402

SEED = 20


class Load:
    """The requests of a run, and what each good one is answered alone."""

    def __init__(self, arguments, checkpoint, weights):
        self.good = clients.good_requests(models.characters(), arguments.distinct, SEED)
        self.plain = [_without_prob(request) for request in self.good]
        predictor = load_predictor(checkpoint, "seq-cls", weights, models.LABELS, 2)
        self.alone = {}
        with progress_bar("alone", len(self.good), unit="request") as bar:
            for index, request in enumerate(self.good):
                labels, chances = predictor.predict(request.texts, return_prob=True)
                self.alone[index] = labels, chances.tolist()
                bar.update()
        self.engine = predictor.engine("task").name

    def of_ours(self, count, share):
        """(requests, order)."""
        bad = clients.mistakes()
        return self.good + bad, clients.mixed(self.good, bad, count, share, SEED)

    def of_published(self, count, share):
        """(requests, order): what the published module understands."""
        bad = clients.mild_mistakes()
        return self.plain + bad, clients.mixed(self.plain, bad, count, share, SEED)


def _without_prob(request):
    body = json.dumps({"data": [[text] for text in request.texts]}, ensure_ascii=False).encode()
    return request._replace(body=body, with_prob=False)


def summary(name, answers, seconds, wrong, furthest):
    """A row of the table."""
    times = np.sort([1000 * (answer.ended - answer.began) for answer in answers])
    problems = ", ".join(f"{what} {count}" for what, count in wrong.items() if count) or "none"
    p50, p99 = (times[int(share * (len(times) - 1))] for share in (0.5, 0.99))
    rate = len(answers) / seconds
    distance = "-" if furthest is None else f"{furthest:.1e}"
    return (
        f"| {name} | {len(answers)} | {rate:.1f} | {p50:.0f} | {p99:.0f} | {times[-1]:.0f} | "
        f"{distance} | {problems} |"
    )


HEAD = (
    "| server | requests | requests/s | p50 ms | p99 ms | longest ms | furthest probability | "
    "went wrong |\n|---|---|---|---|---|---|---|---|"
)


def run_ours(root, load, arguments, init_args):
    """(rows, lines about memory, requests/s of what the published module gets, mistakes made)."""
    requests, order = load.of_ours(arguments.requests, arguments.malformed)
    memory = {}
    with models.HubServer(root, models.OURS, init_args) as server:
        at = {
            count: lambda count=count: memory.update({count: server.resident()})
            for count in (1000, arguments.requests)
        }
        print("ours", file=sys.stderr)
        answers, seconds = clients.send_all(
            server.port, models.OURS, requests, order, arguments.clients, at
        )
        wrong, furthest = clients.judge(answers, requests, load.alone)
        rows = [summary("ours, one process", answers, seconds, wrong, furthest)]
        health = _health(server.port)
        requests, order = load.of_published(arguments.published, arguments.malformed)
        same, seconds = clients.send_all(
            server.port, models.OURS, requests, order, arguments.clients
        )
        wrong_too, furthest = clients.judge(same, requests, load.alone)
        rows.append(summary("ours, the published one's load", same, seconds, wrong_too, None))
    bad = sum(wrong.values()) + sum(wrong_too.values())
    lines = [f"- {count} answers: {size / 2**20:.1f} MiB" for count, size in memory.items()]
    if len(memory) == 2:
        first, last = memory.values()
        lines.append(f"- change: {100 * (last / first - 1):+.1f} %")
    lines.append(f"- the server says: `{json.dumps(health)}`")
    return rows, lines, len(same) / seconds, bad


def run_published(root, load, arguments):
    """(row, requests/s)."""
    requests, order = load.of_published(arguments.published, arguments.malformed)
    init_args = {"task": "seq-cls", "label_map": models.LABELS}
    with models.HubServer(root, models.PUBLISHED, init_args) as server:
        print("published", file=sys.stderr)
        answers, seconds = clients.send_all(
            server.port, models.PUBLISHED, requests, order, arguments.clients
        )
    wrong, _ = clients.judge(answers, requests, load.alone)
    row = summary("published, one process", answers, seconds, wrong, None)
    return row, len(answers) / seconds


def run_workers(root, load, arguments, init_args):
    """(row, lines about the killed worker, mistakes made)."""
    requests, order = load.of_ours(arguments.multi, arguments.malformed)
    killed = {}
    with models.HubServer(root, models.OURS, init_args, arguments.workers) as server:

        def kill():
            killed["process"] = _health(server.port)["process"]
            os.kill(killed["process"], signal.SIGSTOP)  # it accepts no more while one looks
            killed["held"] = clients.connections_of(killed["process"])
            killed["at"] = time.perf_counter()
            os.kill(killed["process"], signal.SIGKILL)

        print("several processes", file=sys.stderr)
        answers, seconds = clients.send_all(
            server.port,
            models.OURS,
            requests,
            order,
            arguments.clients,
            {arguments.multi // 2: kill},
        )
    wrong, furthest = clients.judge(answers, requests, load.alone)
    lost = [answer for answer in answers if answer.code is None]
    others = [answer for answer in lost if answer.port not in killed["held"]]
    later = [answer for answer in lost if answer.began > killed["at"]]
    row = summary(
        f"ours, {arguments.workers} workers, one killed", answers, seconds, wrong, furthest
    )
    lines = [
        f"- worker {killed['process']} of {arguments.workers} was killed after "
        f"{arguments.multi // 2} answers",
        f"- lost: {len(lost)} of {arguments.clients} requests under way; the killed worker had "
        f"accepted all but {len(others)} of them",
        f"- lost of those that began after the kill: {len(later)}",
    ]
    return row, lines, sum(wrong.values()) - len(lost) + len({*others, *later})


def _health(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=clients.TIMEOUT)
    connection.request("GET", f"/health/{models.OURS}")
    return json.loads(connection.getresponse().read())["results"]


def run(arguments, root):
    """(the result as markdown, number of wrong answers of ours)."""
    checkpoint, weights = models.make_modules(root, arguments.size, SEED)
    load = Load(arguments, checkpoint, weights)
    init_args = {
        "task": "seq-cls",
        "load_checkpoint": str(weights),
        "label_map": models.LABELS,
        "num_classes": len(models.LABELS),
    }
    rows, memory, our_rate, bad = run_ours(root, load, arguments, init_args)
    row, rate = run_published(root, load, arguments)
    rows.append(row)
    row, killed, bad_too = run_workers(root, load, arguments, init_args)
    rows.append(row)
    text = header(f"Serving ELECTRA-{arguments.size} under load")
    text += (
        f"{arguments.clients} clients on loopback, in one process on the same machine, each sends "
        f"its next request when the last is answered. {arguments.distinct} different good requests "
        f"of one to eight texts of 4 to 300 characters (seed {SEED}, half of them with "
        f"`return_prob`), cut to 128 tokens; {100 * arguments.malformed:g} % malformed, of "
        f"{len(clients.mistakes())} kinds. Weights are random, the same for both modules. Answers "
        f"alone come from the Predictor, engine {load.engine}. A request counts as wrong unless it "
        f"has the label it gets alone, numbers within {clients.CLOSE:g} and, when malformed, "
        f"the message that names its mistake. The published module gives labels only and other "
        f"messages, and is spared what would keep it busy: texts and lists of a megabyte.\n\n"
    )
    text += "\n".join([HEAD, *rows]) + "\n\n"
    text += f"Ours answers {our_rate / rate:.1f} times as many requests/s of the same load.\n\n"
    text += "Memory of our server, one process, resident:\n\n" + "\n".join(memory) + "\n\n"
    text += "The multi-process mode:\n\n" + "\n".join(killed) + "\n"
    return text, bad + bad_too


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="small")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--requests", type=int, default=20_000, help="to ours, one process")
    parser.add_argument("--published", type=int, default=2_000, help="requests to the published")
    parser.add_argument("--multi", type=int, default=4_000, help="to ours, several processes")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--distinct", type=int, default=1_000, help="different good requests")
    parser.add_argument("--malformed", type=float, default=0.05, help="share of malformed ones")
    parser.add_argument("--output", help="markdown file to write")
    return parser.parse_args()


def main():
    arguments = parse()
    with tempfile.TemporaryDirectory() as folder:
        text, bad = run(arguments, Path(folder))
    if arguments.output:
        with atomic_write(arguments.output) as handle:
            handle.write(text)
    print(text)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

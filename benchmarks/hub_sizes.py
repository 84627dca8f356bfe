"""Every size as a PaddleHub module: built, installed, loaded, served, uninstalled, offline.

    python benchmarks/hub_sizes.py --work FOLDER --output RESULT.md [--sizes tiny small ...] \
        [--repeats 3]

For each size, with its true sizes and random weights, a checkpoint in TensorFlow's layout is
written by `paddle-electra convert` and made a module by `paddle-electra module build`.  Everything
after that happens in processes that have PaddleHub but cannot import paddle_electra, and whose
sockets reach loopback only.  The time from ``hub.Module`` to the first answer is taken beside that
of a module as the published ones are, over PaddleNLP, with the same weights, converted.
``FOLDER`` needs some 10 GB for the size "large"; a size's files are deleted when it is done.
"""

import argparse
import importlib
import json
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
import zlib
from pathlib import Path

import numpy as np
from record import header, user_environment

from paddle_electra import checkpoint
from paddle_electra.checkpoint import native
from paddle_electra.checkpoint.names import EMBEDDINGS_PREFIX, model_rows
from paddle_electra.checkpoint.tensors import LazyTensors, Spec
from paddle_electra.files import atomic_write
from paddle_electra.hub.packaging import build_module
from paddle_electra.hub.rendering import CHINESE_VOCABULARY
from paddle_electra.modeling.config import SIZES, ElectraConfig

HERE = Path(__file__).resolve().parent
WORKER = HERE / "hub_sizes_worker.py"
SITE = HERE.parent / "tests" / "hub" / "offline_site.py"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
FIRST_HAN = 0x4E00
TEXT = "今天天气真好，我们一起去公园散步吧！"
DEADLINE = 300  # seconds until a server must answer


class RandomWeights(LazyTensors):
    """A half of a model with random numbers, made one tensor at a time."""

    def __init__(self, half, config):
        of = config.generator if half == "generator" else config
        specs = {}
        for row in model_rows(half, "tensorflow", of):
            if half == "discriminator" or not row.native.startswith(EMBEDDINGS_PREFIX):
                shape = tuple(getattr(of, s) if isinstance(s, str) else s for s in row.sizes)
                shape = (*shape[:-1], shape[-1] * len(row.names))  # parts that we keep as one
                specs[row.native] = Spec(shape, np.dtype(np.float32))
        super().__init__(specs, f"random {half}")

    def read(self, name):
        """Normal of deviation 0.02, around 1 for the scales of LayerNorms."""
        generator = np.random.default_rng(zlib.crc32(name.encode()))
        array = generator.standard_normal(self.specs[name].shape, np.float32) * np.float32(0.02)
        return array + np.float32("norm.weight" in name)


def write_native(folder, size):
    """A pretrained model of a size, with a vocabulary of the published number of lines."""
    folder.mkdir(parents=True)
    config = ElectraConfig.from_size(size, CHINESE_VOCABULARY)
    vocab = folder.parent / "vocab.txt"
    characters = (chr(FIRST_HAN + n) for n in range(CHINESE_VOCABULARY - len(SPECIAL)))
    vocab.write_text("".join(f"{token}\n" for token in (*SPECIAL, *characters)), "utf-8")
    halves = (RandomWeights(half, config) for half in ("discriminator", "generator"))
    native.write_files(folder, config, vocab, *halves)


def timed(call, *arguments, **named):
    """(seconds, result)."""
    start = time.monotonic()
    result = call(*arguments, **named)
    return time.monotonic() - start, result


def megabytes(path):
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


class Offline:
    """Processes without paddle_electra and without a network."""

    def __init__(self, root):
        self.root, self.log = root, root / "blocked.log"
        site = root / "site"
        site.mkdir(parents=True)
        shutil.copyfile(SITE, site / "sitecustomize.py")
        self.environment = {
            **user_environment(),
            "PYTHONPATH": str(site),
            "HUB_HOME": str(root / "hub"),
            "XDG_CACHE_HOME": str(root / "cache"),
            "PADDLE_ELECTRA_CACHE": str(root / "cache" / "electra"),
            "BLOCKED_LOG": str(self.log),
            "PYTHONWARNINGS": "ignore",
        }

    def ask(self, action, *arguments):
        """The JSON that a worker prints last."""
        words = [sys.executable, str(WORKER), action, *map(str, arguments)]
        done = subprocess.run(
            words, cwd=self.root, env=self.environment, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"{action} {arguments}: {done.stdout[-2000:]}{done.stderr[-4000:]}")
        return json.loads(done.stdout.splitlines()[-1])

    def blocked(self):
        """{host: attempts} that were stopped."""
        hosts = self.log.read_text("utf-8").split() if self.log.exists() else []
        return {host: hosts.count(host) for host in sorted(set(hosts))}

    def serve(self, name):
        """(seconds until the server answers, its answer) of one request to ``hub serving``."""
        port = free_port()
        words = [sys.executable, str(WORKER), "serve", name, str(port)]
        start = time.monotonic()
        with open(self.root / "serving.log", "wb") as log:
            server = subprocess.Popen(
                words, cwd=self.root, env=self.environment, stdout=log, stderr=log
            )
        try:
            answer = first_answer(server, f"http://127.0.0.1:{port}/predict/{name}", start)
            return time.monotonic() - start, answer
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def first_answer(server, url, start):
    """The answer to a request, asked again until the server listens."""
    body = json.dumps({"data": [[TEXT]]}).encode("utf-8")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        if server.poll() is not None or time.monotonic() - start > DEADLINE:
            raise SystemExit(f"hub serving did not answer at {url}")
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        try:
            with opener.open(request, timeout=DEADLINE) as reply:
                return json.loads(reply.read())
        except OSError:
            time.sleep(0.1)


def measure(size, root, repeats):
    """Everything about one size, as a dict."""
    name = f"chinese-electra-{size}"
    offline = Offline(root / "offline")
    write_native(root / "native", size)
    checkpoint.convert(root / "native", root / "tensorflow", "tensorflow")
    checkpoint.convert(root / "native", root / "paddlenlp", "paddlenlp", "discriminator")
    published = root / "published_electra"
    published.mkdir()
    shutil.copyfile(HERE / "hub_sizes_published.py", published / "module.py")
    offline.environment["PUBLISHED_WEIGHTS"] = str(root / "paddlenlp")
    shutil.rmtree(root / "native")
    build_seconds, (folder, archive) = timed(build_module, root / "tensorflow", name, root / "dist")
    shutil.rmtree(root / "tensorflow")
    found = {
        "size": size,
        "build": build_seconds,
        "folder_mb": megabytes(folder),
        "archive_mb": megabytes(archive),
        "install": offline.ask("install", folder)["seconds"],
    }
    shutil.rmtree(root / "dist")
    # What is exported once and kept is exported in the first of these.
    found["first_ever"] = offline.ask("ours", name, TEXT)
    ours, theirs = [], []
    for _ in range(repeats):
        ours.append(offline.ask("ours", name, TEXT))
        theirs.append(offline.ask("published", published, TEXT))
    found["ours"], found["published"] = ours, theirs
    seconds, answer = offline.serve(name)
    if answer["status"] != "000" or len(answer["results"]) != 1:
        raise SystemExit(f"{name}: {answer!r:.500}")
    found["serve"] = seconds
    found["uninstall"] = offline.ask("uninstall", name)
    found["blocked"] = offline.blocked()
    return found


def median(rows, key):
    return statistics.median(row[key] for row in rows)


def report(results):
    """The tables, as markdown lines."""
    lines = [
        "Random weights of the true sizes, a vocabulary of 21,128 lines, the embedding of one text",
        "of 18 characters; a process of its own each time, ours and a module made as the published",
        "ones are (PaddleNLP, padded to 128 tokens) in turns. The import of PaddleHub, the same",
        "for both, is not counted. Seconds; medians here, every value below.",
        "",
        "| size | `hub.Module` to first answer | the first time ever | published "
        "| published / ours | second answer | published |",
        "|---" * 7 + "|",
    ]
    for row in results:
        ours, theirs = (median(row[who], "first_answer") for who in ("ours", "published"))
        again = [median(row[who], "second_answer") for who in ("ours", "published")]
        ever = row["first_ever"]["first_answer"]
        lines.append(
            f"| {row['size']} | {ours:.2f} | {ever:.2f} | {theirs:.2f} "
            f"| {theirs / ours:.2f} | {again[0]:.4f} | {again[1]:.4f} |"
        )
    lines += ["", "Every value:", ""]
    for row in results:
        for who in ("ours", "published"):
            values = ", ".join(f"{one['first_answer']:.2f}" for one in row[who])
            memory = ", ".join(f"{one['peak_mb']:.0f}" for one in row[who])
            lines.append(f"- {row['size']}, {who}: {values} s; peak memory {memory} MB")
    lines += [
        "",
        "| size | folder MB | .tar.gz MB | build s | install s | `hub serving` to its answer s "
        "| uninstalled |",
        "|---" * 7 + "|",
    ]
    for row in results:
        gone = "yes" if row["uninstall"]["gone"] else "NO"
        lines.append(
            f"| {row['size']} | {row['folder_mb']:.0f} | {row['archive_mb']:.0f} "
            f"| {row['build']:.1f} | {row['install']:.1f} | {row['serve']:.1f} | {gone} |"
        )
    lines += [
        "",
        "Install is `hub install FOLDER`, most of it pip reading `requirements.txt`; the time of",
        "`hub serving` counts the import of PaddleHub. Hosts that were asked for and blocked",
        "(PaddleHub reports each load):",
        "",
    ]
    lines += [f"- {row['size']}: {row['blocked'] or 'none'}" for row in results]
    engines = {row["size"]: row["first_ever"]["engine"] for row in results}
    lines += ["", f"Engine: {engines}. paddle_electra could not be imported in any of them."]
    return lines


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder that is not there yet")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=SIZES)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    options.work.mkdir(parents=True)
    importlib.import_module("paddle_electra.hub.heads")  # paddle: not the first build's time
    results = []
    for size in options.sizes:
        results.append(measure(size, options.work.resolve() / size, options.repeats))
        shutil.rmtree(options.work / size)
        print(json.dumps(results[-1]), flush=True)
        with atomic_write(options.output) as handle:
            text = "\n".join(report(results))
            handle.write(header("Every size as a PaddleHub module, offline") + text + "\n")
    print(options.output.read_text("utf-8"))


if __name__ == "__main__":
    main()

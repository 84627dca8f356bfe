"""Modules for `load_serving.py`: ours and the published one's code, with the same weights."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import paddle
from record import user_environment

from paddle_electra.checkpoint import native
from paddle_electra.hub.packaging import build_module
from paddle_electra.modeling.config import ElectraConfig
from paddle_electra.modeling.electra import ElectraDiscriminator

OURS, PUBLISHED = "load-ours", "load-published"
LABELS = {"0": "bad", "1": "good"}
VOCABULARY = 21128
START = "import sys; from paddlehub.commands.utils import execute; sys.exit(execute())"
PATIENCE = 600  # seconds

# The parts of a published module that serving runs, over PaddleNLP.
PUBLISHED_MODULE = """
import json, os
import paddle
import paddle.nn.functional as F
from paddlehub.module.module import moduleinfo
from paddlehub.module.nlp_module import TransformerModule
from paddlenlp.transformers import ElectraConfig, ElectraForSequenceClassification, ElectraTokenizer

HERE = os.path.dirname(os.path.abspath(__file__))

@moduleinfo(name="load-published", version="2.0.2", summary="", author="", author_email="",
            type="nlp/semantic_model", meta=TransformerModule)
class Electra(paddle.nn.Layer):
    def __init__(self, task="seq-cls", label_map=None, **kwargs):
        super(Electra, self).__init__()
        self.task, self.label_map = task, {int(k): v for k, v in label_map.items()}
        with open(os.path.join(HERE, "sizes.json")) as handle:
            config = ElectraConfig(**json.load(handle), num_labels=len(self.label_map))
        self.model = ElectraForSequenceClassification(config)
        self.set_state_dict(paddle.load(os.path.join(HERE, "model.pdparams")))
        self.eval()

    def forward(self, input_ids=None, token_type_ids=None, **unused):
        return F.softmax(self.model(input_ids, token_type_ids), axis=-1)

    @staticmethod
    def get_tokenizer(*args, **kwargs):
        return ElectraTokenizer(os.path.join(HERE, "vocab.txt"), do_lower_case=True)
"""


def characters():
    """The characters that texts are made of; each is in the vocabulary."""
    return [chr(code) for code in range(0x4E00, 0x4E00 + 3000)]


def make_modules(root, size, seed):
    """Install both modules below ``root/hub``.

    Returns:
        (folder of our module's checkpoint, the ``model.pdparams`` of both).
    """
    root, modules = Path(root), Path(root) / "hub" / "modules"
    vocab, config = root / "vocab.txt", ElectraConfig.from_size(size, VOCABULARY)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens = special + [chr(0x4E00 + n) for n in range(VOCABULARY - len(special))]
    vocab.write_text("".join(f"{token}\n" for token in tokens), "utf-8")
    sizes = {
        key: getattr(config, key)
        for key in (
            *("embedding_size", "hidden_size", "num_hidden_layers", "num_attention_heads"),
            *("vocab_size", "intermediate_size", "max_position_embeddings"),
        )
    }
    sizes["initializer_range"] = 0.1  # far from answers that are all alike
    weights = _published(modules / PUBLISHED.replace("-", "_"), sizes, vocab, seed)
    checkpoint = root / "checkpoint"
    native.save(checkpoint, config, vocab, ElectraDiscriminator(config))
    folder, _ = build_module(checkpoint, OURS, root / "dist")
    shutil.copytree(folder, modules / OURS.replace("-", "_"))
    return checkpoint, weights


def _published(folder, sizes, vocab, seed):
    from paddlenlp.transformers import ElectraConfig as TheirConfig
    from paddlenlp.transformers import ElectraForSequenceClassification

    folder.mkdir(parents=True)
    (folder / "module.py").write_text(PUBLISHED_MODULE, "utf-8")
    (folder / "__init__.py").write_text("", "utf-8")
    (folder / "sizes.json").write_text(json.dumps(sizes), "utf-8")
    shutil.copyfile(vocab, folder / "vocab.txt")
    paddle.seed(seed)
    network = ElectraForSequenceClassification(TheirConfig(**sizes, num_labels=len(LABELS)))
    weights = folder / "model.pdparams"
    paddle.save({f"model.{k}": v for k, v in network.state_dict().items()}, str(weights))
    return weights


class HubServer:
    """``hub serving start`` with one module, on loopback.

    Args:
        root: folder with ``hub``.
        module: `OURS` or `PUBLISHED`.
        init_args: of the module.
        workers: None for the mode of one process.
    """

    def __init__(self, root, module, init_args, workers=None):
        self.root, self.module = Path(root), module
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        config = {
            "modules_info": {module: {"init_args": init_args, "predict_args": {}}},
            "port": self.port,
            "use_multiprocess": workers is not None,
            "workers": workers,
        }
        (self.root / f"{self.port}.json").write_text(json.dumps(config), "utf-8")
        environment = {
            **user_environment(),
            "HUB_HOME": str(self.root / "hub"),
            "ELECTRA_SERVING_HOST": "127.0.0.1",
            "PYTHONWARNINGS": "ignore",
        }
        start = ["serving", "start", "--config", f"{self.port}.json"]
        self.log = self.root / f"{self.port}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", START, *start],
                cwd=self.root,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def __enter__(self):
        deadline = time.monotonic() + PATIENCE
        while True:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(self.log.read_text("utf-8", "replace")[-3000:])
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.2)

    def __exit__(self, *error):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def resident(self):
        """Bytes of the first process in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

"""Who takes part in `speed_inference`; each imports its framework in its own process only.

A contestant has ``answer(texts)``: probabilities (texts, 2) as an array, from text, tokenisation
included; and ``note``, what the report says of it.
"""

import sys
from pathlib import Path

import numpy as np
from record import user_environment

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

ROWS = 32  # of PyTorch's batches


class Skipped(Exception):
    """A contestant that cannot run here; the text says why."""


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


class Ours:
    """`paddle_electra.inference`.

    Args:
        folder: of the models, see `speed_inference.make_models`; length: most tokens.
    """

    engine, precision = "static", "float32"

    def __init__(self, folder, length, threads):
        from paddle_electra.runtime import prepare_environment

        prepare_environment()
        from paddle_electra.errors import InputError
        from paddle_electra.inference.predictor import Predictor

        try:
            self.predictor = Predictor.load(
                folder / "ours", engine=self.engine, precision=self.precision, threads=threads
            )
        except InputError as error:
            raise Skipped(str(error)) from None
        self.length = length
        self.note = f"engine {self.engine}, {self.precision}"

    def answer(self, texts):
        return self.predictor.predict(texts, max_seq_len=self.length, return_prob=True)[1]


class OursHalf(Ours):
    precision = "bfloat16"


class OursEager(Ours):
    engine = "eager"


class Published:
    """What the published module does: `predict` of PaddleHub over PaddleNLP's network."""

    def __init__(self, folder, length, threads):
        from speed_inference_published import Module

        self.module = Module(folder / "paddlenlp", folder / "head.npz")
        self.length = length
        self.note = "batch 1, padded to max_seq_len, default environment"

    def answer(self, texts):
        data = [[text] if isinstance(text, str) else list(text) for text in texts]
        _, probabilities = self.module.predict(data, max_seq_len=self.length, return_prob=True)
        return np.array(probabilities)


class Torch:
    """transformers on PyTorch: texts sorted by length, batches padded to their longest."""

    def __init__(self, folder, length, threads):
        import torch
        import transformers
        from torch_electra import Classifier

        torch.set_num_threads(threads)
        self.torch, self.length = torch, length
        with np.load(folder / "head.npz") as head:
            self.model = Classifier(folder / "torch", head["weight"].T.copy(), head["bias"]).eval()
        vocab = str(folder / "ours" / "vocab.txt")
        self.tokenizer = transformers.ElectraTokenizerFast(vocab_file=vocab)
        self.note = f"batches of {ROWS} sorted texts, ElectraTokenizerFast"

    def answer(self, texts):
        pairs = [(text, None) if isinstance(text, str) else text for text in texts]
        seconds = [second for _, second in pairs]
        given = ([first for first, _ in pairs], seconds if seconds[0] is not None else None)
        encoded = self.tokenizer(*given, truncation=True, max_length=self.length)
        order = sorted(range(len(texts)), key=lambda row: -len(encoded["input_ids"][row]))
        found = np.zeros((len(texts), 2), np.float32)
        names = ("input_ids", "token_type_ids", "attention_mask")
        for start in range(0, len(order), ROWS):
            rows = order[start : start + ROWS]
            part = {name: [encoded[name][row] for row in rows] for name in names}
            batch = self.tokenizer.pad(part, return_tensors="pt")
            with self.torch.inference_mode():
                logits = self.model(*(batch[name] for name in names))
                found[rows] = self.torch.softmax(logits, -1).numpy()
        return found


class Onnx:
    """An ONNX runtime, fed with our tokens in our batches.

    Its graph computes every token in every layer, as others' exports do; the classes called
    Shortened have what `paddle-electra export` writes, whose last layer computes [CLS] only.
    """

    graph = "onnx"

    def __init__(self, folder, length, threads):
        from paddle_electra.inference.batching import batches
        from paddle_electra.inference.engine import StaticEngine
        from paddle_electra.text.tokenizer import ElectraTokenizer

        self.tokenizer = ElectraTokenizer(folder / "ours" / "vocab.txt")
        self.batches, self.multiple, self.length = batches, StaticEngine.multiple, length
        self.run = self.load(str(folder / self.graph / "model.onnx"), threads)

    def answer(self, texts):
        encodings = self.tokenizer.encode_batch(texts, self.length)
        found = np.zeros((len(texts), 2), np.float32)
        pad = self.tokenizer.pad_id
        for batch in self.batches(encodings, pad, multiple=self.multiple, most=self.length):
            names = ("input_ids", "token_type_ids", "attention_mask")
            found[batch.rows] = softmax(self.run(dict(zip(names, batch.arrays, strict=True))))
        return found


class OnnxRuntime(Onnx):
    note = "float32, our batches"

    def load(self, path, threads):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        providers = ["CPUExecutionProvider"]
        session = onnxruntime.InferenceSession(path, options, providers=providers)
        return lambda arrays: session.run(None, arrays)[0]


class OpenVino(Onnx):
    def load(self, path, threads):
        import openvino

        from paddle_electra.inference.engine import has_bfloat16

        precision = "bf16" if has_bfloat16() else "f32"
        self.note = f"{precision}, our batches"
        settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": precision}
        model = openvino.Core().compile_model(path, "CPU", settings)
        return lambda arrays: model(arrays)[0]


class OnnxRuntimeShortened(OnnxRuntime):
    graph = "onnx-shortened"


class OpenVinoShortened(OpenVino):
    graph = "onnx-shortened"


EAGER = "ours-eager"
CONTESTANTS = {
    "ours": Ours,
    "ours-bfloat16": OursHalf,
    EAGER: OursEager,
    "published": Published,
    "torch": Torch,
    "onnxruntime": OnnxRuntime,
    "openvino": OpenVino,
    "onnxruntime-shortened": OnnxRuntimeShortened,
    "openvino-shortened": OpenVinoShortened,
}
LABELS = {
    "ours": "ours, float32",
    "ours-bfloat16": "ours, bfloat16",
    EAGER: "ours, eager",
    "published": "published module's path",
    "torch": "transformers + PyTorch",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "onnxruntime-shortened": "ONNX Runtime, our graph",
    "openvino-shortened": "OpenVINO, our graph",
}


def environment(name, threads):
    """The environment variables of a contestant's process."""
    kept = user_environment("PADDLE_")
    return kept if name == "published" else kept | {"OMP_NUM_THREADS": str(threads)}

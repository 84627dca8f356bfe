"""The class behind every PaddleHub module of ours.

A generated ``module.py`` subclasses `ElectraModule` and says its name and version; everything
else is here.  Whatever can fail (checksums, weights, packages that are not there) is left to the
constructor: PaddleHub hides what goes wrong during an import and then looks for the module on the
network.
"""

import os

import paddle
from paddlehub.module.module import RunModule, serving

from ..errors import InputError
from . import manifest
from .arguments import check_request, normalize_task, refuse_unknown

ASSETS = "assets"
CONSTRUCTOR = ("task", "load_checkpoint", "label_map", "num_classes", "suffix")
REQUEST = ("data", "task", "max_seq_len", "batch_size", "use_gpu", "return_prob")
EMBEDDING = "embedding"


class ElectraModule(RunModule, paddle.nn.Layer):
    """What ``hub.Module(name=...)`` returns.

    It is a Layer because PaddleHub runs the methods of anything else in static-graph mode.

    Args:
        task: "seq-cls" (old name "sequence_classification"), or None for embeddings.
        load_checkpoint: a fine-tuned directory (or the ``discriminator.safetensors`` in one) to
            use in place of the module's own weights.
        label_map: class number -> label; default the trained head's labels, else the numbers.
        num_classes: classes of a new, untrained head.
        suffix: taken for compatibility; it concerns token classification only.
    Raises:
        InputError: a file of the module was changed, an unknown task or argument, a checkpoint
            that is missing or does not fit.
    """

    def __init__(
        self,
        task=None,
        load_checkpoint=None,
        label_map=None,
        num_classes=2,
        suffix=False,
        **kwargs,
    ):
        super().__init__()
        refuse_unknown(kwargs, CONSTRUCTOR)
        manifest.verify(self.directory)
        self.task = normalize_task(task)
        self.predictor = self._load_predictor(load_checkpoint, label_map, num_classes)
        head = self.predictor.labels is not None
        self.network = self.predictor.networks.layer("task" if head else "encoder")
        self.label_map = dict(enumerate(self.predictor.labels or ())) or None
        self.num_classes = len(self.predictor.labels or ()) or num_classes
        self.eval()

    def _load_predictor(self, *arguments):
        try:
            from .loading import load_predictor
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            requirements = os.path.join(self.directory, "requirements.txt")
            raise InputError(
                f"{self.name}: the Python package {package!r} is missing: "
                f"pip install -r {requirements}"
            ) from None
        return load_predictor(os.path.join(self.directory, ASSETS), self.task, *arguments)

    def predict(self, data, max_seq_len=None, batch_size=1, use_gpu=False, return_prob=False):
        """Classify texts, or give their embeddings when the module's task is None.

        Args:
            data: list of ``[text]`` or ``[text, second text]``; plain texts serve as well.
            max_seq_len: longer texts are cut to this many tokens; default the length that the
                head was trained with, else 128.
            batch_size: texts per pass through the network.
            use_gpu: run on the GPU.
            return_prob: return (labels, probabilities), one list of probabilities per text.
        Returns:
            a list of labels, or for task None what `get_embedding` gives.
        Raises:
            InputError: naming the argument or item that is wrong.
        """
        if self.task is None:
            return self._embed(data, max_seq_len, batch_size, use_gpu)
        return self._classify(data, max_seq_len, batch_size, use_gpu, return_prob)

    def get_embedding(self, data, use_gpu=False, max_seq_len=None, batch_size=32):
        """For each text ``[pooled, tokens]``, lists of floats.

        ``pooled`` is the hidden state of [CLS]; ``tokens`` holds one vector per token, [CLS] and
        [SEP] included, padding not.  Arguments as in `predict`.
        """
        return self._embed(data, max_seq_len, batch_size, use_gpu)

    def get_tokenizer(self):
        """The `ElectraTokenizer` of this module."""
        return self.predictor.tokenizer

    @serving
    def serve(
        self,
        data=None,
        task=None,
        max_seq_len=None,
        batch_size=32,
        use_gpu=False,
        return_prob=False,
        **unknown,
    ):
        """Answer ``POST /predict/NAME``; the arguments are the fields of the JSON request.

        ``task`` is "seq-cls" or "embedding"; by default the module's task, or when it has none
        "seq-cls" for a fine-tuned module and "embedding" for another.  With ``return_prob`` each
        result of a classification is ``{"label": ..., "probabilities": [...]}``.  PaddleHub puts
        the message of an exception into the answer's ``msg``.
        """
        refuse_unknown(unknown, REQUEST)
        check_request(data, use_gpu, return_prob)
        if self._serving_task(task) == EMBEDDING:
            return self._embed(data, max_seq_len, batch_size, use_gpu)
        answer = self._classify(data, max_seq_len, batch_size, use_gpu, return_prob)
        if not return_prob:
            return answer
        pairs = zip(*answer, strict=True)
        return [{"label": label, "probabilities": chances} for label, chances in pairs]

    def _serving_task(self, task):
        if task == EMBEDDING:
            return task
        if task is not None:
            try:
                task = normalize_task(task)
            except InputError:
                raise InputError(
                    f"'task': {task!r:.40} does not exist here; use 'seq-cls' or 'embedding'"
                ) from None
            if self.predictor.labels is None:
                raise InputError("'task': this module has no classification head; use 'embedding'")
            return task
        return EMBEDDING if self.predictor.labels is None else "seq-cls"

    def _classify(self, data, max_seq_len, batch_size, use_gpu, return_prob):
        self._choose_device(use_gpu)
        labels, chances = self.predictor.predict(data, batch_size, max_seq_len, return_prob=True)
        return (labels, chances.tolist()) if return_prob else labels

    def _embed(self, data, max_seq_len, batch_size, use_gpu):
        self._choose_device(use_gpu)
        pooled, tokens = self.predictor.embed(data, batch_size, max_seq_len)
        return [[first.tolist(), rest.tolist()] for first, rest in zip(pooled, tokens, strict=True)]

    def _choose_device(self, use_gpu):
        if use_gpu and not paddle.device.is_compiled_with_cuda():
            raise InputError("use_gpu: this Paddle was built without GPU support")
        device = "gpu" if use_gpu else "cpu"
        if paddle.get_device().partition(":")[0] != device:
            paddle.set_device(device)
            self.to(device)

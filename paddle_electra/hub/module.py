"""The class behind every PaddleHub module of ours.

A generated ``module.py`` subclasses `ElectraModule` and says its name and version; everything
else is here.  Whatever can fail (checksums, weights, packages that are not there) is left to the
constructor: PaddleHub hides what goes wrong during an import and then looks for the module on the
network.
"""

import functools
import os

import paddle
from paddlehub.module.module import RunModule

from .. import __version__
from ..errors import InputError
from ..inference.inputs import CLASSIFYING, SPLIT
from ..serving.checks import refuse_unknown
from . import manifest
from .arguments import normalize_task
from .serving import ServedModule, begin_on_cpu
from .training import TrainableModule

ASSETS = "assets"
CONSTRUCTOR = ("task", "load_checkpoint", "label_map", "num_classes", "suffix", "serving")


class ElectraModule(ServedModule, RunModule, TrainableModule):
    """What ``hub.Module(name=...)`` returns.

    It is a Layer because ``hub.Trainer`` trains it, and because PaddleHub runs the methods of
    anything else in static-graph mode.

    Args:
        task: "seq-cls" (old name "sequence_classification"), "pair-cls", "token-cls",
            "text-matching", "qa", or None for embeddings.
        load_checkpoint: weights in place of the module's own: a fine-tuned directory (or the
            ``discriminator.safetensors`` in one), or the ``model.pdparams`` that ``hub.Trainer``
            saved from a module like this one or from a published one.
        label_map: class number -> label; default the trained head's labels, else the numbers.  A
            pretrained module with a trained head for the task beside its weights answers by that
            only if neither labels nor a number of classes are given: these are for a new head.
        num_classes: classes of a new, untrained head, default 2.
        suffix: for token-cls: labels end in -B, -I, -E, -S instead of beginning with B-, I-.
        serving: {name: value} of `ServingSettings`, the limits of ``hub serving``.
    Raises:
        InputError: a file of the module was changed, an unknown task or argument, a checkpoint
            that is missing or does not fit.
    """

    def __init__(
        self,
        task=None,
        load_checkpoint=None,
        label_map=None,
        num_classes=None,
        suffix=False,
        **kwargs,
    ):
        super().__init__()
        limits = kwargs.pop("serving", None)
        refuse_unknown(kwargs, CONSTRUCTOR)
        self._take_manifest(manifest.verify(self.directory))
        self.task, self.suffix = normalize_task(task), bool(suffix)
        self._assets = os.path.join(self.directory, ASSETS)
        begin_on_cpu()
        loaded = self._load_predictor(load_checkpoint, label_map, num_classes)
        self._loaded, self._eager = loaded, None
        self._is_own = load_checkpoint is None and loaded.networks.task is None
        head = loaded.networks.task is not None
        self.model = loaded.networks.layer("task" if head else "encoder")
        self.pad_id = loaded.tokenizer.pad_id
        self.label_map = dict(enumerate(loaded.labels or ())) or None
        self.num_classes = len(loaded.labels or ()) or num_classes or 2
        vectors = [weight for weight in self.model.parameters() if len(weight.shape) == 1]
        self._watched = (*vectors[:2], *vectors[-3:])
        self._as_loaded = self._sample()
        self.eval()
        self.prepare_serving(limits)

    def _take_manifest(self, said):
        """Python keeps the code of the first of several folders of one name, PaddleHub notes the
        last folder: version and code must be of the same one."""
        if (built := said.get("paddle_electra", __version__)) != __version__:
            raise InputError(
                f"{self.directory}: made by paddle-electra {built}, but this process already runs "
                f"the code of another module of that folder name, of {__version__}; load it in a "
                f"new Python process"
            )
        self.version = said.get("version", self.version)

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
        return load_predictor(self._assets, self.task, *arguments)

    @property
    def predictor(self):
        """The `Predictor` that answers: of the weights as they are, trained since or not."""
        if not self.changed and self._sample() != self._as_loaded:
            self.changed = True
        if not self.changed:
            return self._loaded
        if self._eager is None:
            self._eager = self._loaded.eager()
        return self._eager

    def _sample(self):
        """Some weights, which differ after whatever set or trained those of ``model``; in 10 us."""
        return [weight.numpy().tobytes() for weight in self._watched]

    @functools.cached_property
    def pretrained(self):
        """The `Predictor` of the module's own weights, which has the pretrained heads."""
        if self._is_own and not self.changed:
            return self._loaded
        from .loading import load_pretrained

        return load_pretrained(self._assets)

    @property
    def heads(self):
        """{kind: function that gives a `Predictor`} of the trained heads beside own weights."""
        if not self._is_own:
            return {}
        from .loading import load_heads

        return load_heads(self._assets)

    def predict(
        self,
        data,
        max_seq_len=None,
        split_char=SPLIT,
        batch_size=None,
        use_gpu=False,
        return_prob=False,
    ):
        """Answer for texts what the module's task is.

        Args:
            data: list of ``[text]`` or ``[text, second text]``; plain texts serve as well.  For
                pair-cls and text-matching two texts each, for qa [question, text], for token-cls
                one text, its tokens joined by ``split_char``.
            max_seq_len: longer texts are cut to this many tokens; default the length that the
                head was trained with, else 128.
            split_char: what joins tokens, for token-cls.
            batch_size: most texts per pass through the network; default as many as fit.
            use_gpu: run on the GPU.
            return_prob: return (labels, probabilities).
        Returns:
            a list with a label a text; for token-cls with a list of labels, that of [CLS] first,
            then one a token, then that of [SEP]; for qa what `answer` gives; for task None what
            `get_embedding` gives.
        Raises:
            InputError: naming the argument or item that is wrong.
        """
        if not isinstance(split_char, str) or not split_char:
            raise InputError(f"split_char: expected what joins tokens, got {split_char!r:.40}")
        self._choose_device(use_gpu)
        if self.task is None:
            return self._embed(data, max_seq_len, batch_size)
        if self.task == "qa":
            return self.predictor.answer(data, batch_size=batch_size, max_seq_len=max_seq_len)
        labels, chances = self._classify(self.task, data, max_seq_len, batch_size, split_char)
        return (labels, chances) if return_prob else labels

    def get_embedding(self, data, use_gpu=False, max_seq_len=None, batch_size=None):
        """For each text ``[pooled, tokens]``, lists of floats.

        ``pooled`` is the hidden state of [CLS]; ``tokens`` holds one vector per token, [CLS] and
        [SEP] included, padding not.  Arguments as in `predict`.
        """
        self._choose_device(use_gpu)
        return self._embed(data, max_seq_len, batch_size)

    def fill_mask(self, texts, top_k=5):
        """The generator's guesses for every [MASK]; see `Predictor.fill_mask`."""
        return self.pretrained.fill_mask(texts, top_k)

    def detect(self, texts, threshold=0.5, top_k=3):
        """How likely each character replaces another; see `Predictor.detect`."""
        return self.pretrained.detect(texts, threshold, top_k)

    def tag(self, texts):
        """Labels of words and the entities they spell; see `Predictor.tag`."""
        return self.predictor.tag(texts)

    def answer(self, questions, n_best=5):
        """Answers to (question, text); see `Predictor.answer`."""
        return self.predictor.answer(questions, n_best)

    def get_tokenizer(self, *args, **kwargs):
        """A PaddleNLP ``ElectraTokenizer`` that cuts texts as this module does.

        Arguments are taken for compatibility and ignored: vocabulary and letter case are the
        module's.
        """
        from .tokenizer import paddlenlp_tokenizer

        return paddlenlp_tokenizer(self._loaded.tokenizer)

    def create_gradio_app(self):
        """The web page with what answers it; call its ``launch(server_port)``.

        ``hub serving`` shows the same page at ``/gradio/NAME`` without it.  It is not made with
        Gradio, whose pages hold a request open for as long as they are looked at, which PaddleHub's
        server, passing them on, waits for.
        """
        from ..serving.app import PageServer

        return PageServer(self.service)

    def _classify(self, task, data, max_seq_len, batch_size, split_char):
        """(labels, probabilities as lists)."""
        if task not in CLASSIFYING:
            from ..inference.matching import match, tag_tokens

            if task == "token-cls":
                return tag_tokens(self.predictor, data, split_char, batch_size, max_seq_len)
            labels, chances = match(self.predictor, data, batch_size, max_seq_len)
            return labels, chances.tolist()
        if task == "pair-cls":
            from ..inference.matching import check_pairs

            check_pairs(data)
        labels, chances = self.predictor.predict(data, batch_size, max_seq_len, return_prob=True)
        return labels, chances.tolist()

    def _embed(self, data, max_seq_len, batch_size):
        pooled, tokens = self.predictor.embed(data, batch_size, max_seq_len)
        return [[first.tolist(), rest.tolist()] for first, rest in zip(pooled, tokens, strict=True)]

    def _choose_device(self, use_gpu):
        self.eval()
        if use_gpu and not paddle.device.is_compiled_with_cuda():
            raise InputError("use_gpu: this Paddle was built without GPU support")
        device = "gpu" if use_gpu else "cpu"
        if paddle.get_device().partition(":")[0] != device:
            paddle.set_device(device)
            self.to(device)

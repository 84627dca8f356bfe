"""What a model answers to requests: the tasks it has, and how a batch of texts is answered."""

import functools

from ..errors import InputError
from ..inference.inputs import SPLIT, check_number
from ..inference.masks import check_top_k, has_generator
from ..inference.reading import SHORTEST_WINDOW
from .checks import CLASSIFYING, DETECT, EMBEDDING, FILL_MASK, QA, TAG, WINDOWED
from .classifiers import CLASSIFIERS

MATCHING, TOKENS = "text-matching", "token-cls"
PRETRAINED = (FILL_MASK, DETECT)
LEAST_STRETCH = 64  # tokens of the stretches that a request may have long texts read in
_NETWORKS = {
    EMBEDDING: "encoder",
    MATCHING: "encoder",
    FILL_MASK: "generator",
    DETECT: "discriminator",
}  # of other tasks "task"


class ModelError(Exception):
    """A model whose files are damaged, or for which there is no room on the disk."""


class Operations:
    """The tasks of a model.

    Args:
        predictor: function that gives the `Predictor` of everything but `PRETRAINED`, at each call
            the one of now.
        pretrained: the same for `PRETRAINED`; by default ``predictor``.
        choose_device: function that takes ``use_gpu`` before every batch; raises `InputError`.
        heads: {kind: function that gives a `Predictor`}: trained heads of a pretrained model, which
            requests may ask for.

    Attributes: ``engine``, ``precision``: of what ran the last batch, None before there was one.
    """

    def __init__(self, predictor, pretrained=None, choose_device=None, heads=None):
        self.predictor, self.pretrained = predictor, pretrained or predictor
        self.choose_device = choose_device or _only_without_gpu
        self.heads = heads or {}
        self.engine = self.precision = None

    @property
    def kind(self):
        """The model's own task, or None."""
        return self.predictor().kind

    @property
    def default(self):
        """The task of a request that names none."""
        return self.kind or EMBEDDING

    @functools.cached_property
    def tasks(self):
        """Names of the tasks that requests may ask for."""
        kind = self.kind
        own = CLASSIFYING if kind in CLASSIFYING else (kind,) if kind else tuple(self.heads)
        pretrained = self.pretrained()
        return (
            *own,
            *((TAG,) if TOKENS in own else ()),
            EMBEDDING,
            *((FILL_MASK,) if has_generator(pretrained) else ()),
            *((DETECT,) if pretrained.kind is None else ()),
        )

    @property
    def labels_of(self):
        """{task: its labels, in the order of its probabilities} of the tasks that have some; one
        that classifies texts comes before tagging."""
        heads = {} if self.kind else self.heads
        known = [task for task in (*CLASSIFYING, TOKENS, MATCHING) if task in self.tasks]
        labels = {task: heads.get(task, self.predictor)().labels for task in known}
        return {task: names for task, names in labels.items() if names is not None}

    def check(self, call):
        """Raise `InputError` for a `Call` whose numbers the model does not allow."""
        predictor = self._predictor(call)
        length = predictor.check_length(call.max_seq_len)
        if call.task == QA:
            check_number(length, "max_seq_len", least=SHORTEST_WINDOW)
        if call.task in WINDOWED and call.max_seq_len is not None:
            # Short stretches of a long text are many passes through the network.
            least = min(LEAST_STRETCH, predictor.max_seq_length)
            check_number(call.max_seq_len, "max_seq_len", least=least)
        if call.top_k is not None:
            check_top_k(predictor, call.top_k, least=0)

    def run(self, call, texts):
        """An answer for each text, for `form` to finish.

        Raises:
            InputError: the request is wrong.
            ModelError: the model could not be made ready for it.
        """
        self.choose_device(call.use_gpu)
        try:
            predictor = self._predictor(call)
            self._choose_engine(predictor, call.task)
            if call.task == DETECT and call.top_k and has_generator(predictor):
                predictor.engine("generator")  # for the suggestions
        except InputError as error:
            raise ModelError(str(error)) from error
        return self._run(predictor, call, texts)

    def prepare(self):
        """Make what the default task needs and the disk can keep, before the first request."""
        self._choose_engine(self.predictor(), self.default)

    def _choose_engine(self, predictor, task):
        engine = predictor.engine(_NETWORKS.get(task, "task"))
        self.engine, self.precision = engine.name, engine.precision

    def _run(self, predictor, call, texts):
        sizes = {"max_seq_len": call.max_seq_len}
        if call.task == EMBEDDING:
            return list(zip(*predictor.embed(texts, **sizes), strict=True))
        if call.task == QA:
            return predictor.answer(texts, call.n_best, **sizes)
        if call.task == TAG:
            return predictor.tag([_words(text) for text in texts], **sizes)
        if call.task == FILL_MASK:
            return predictor.fill_mask(texts, call.top_k, **sizes)
        if call.task == DETECT:
            return predictor.detect(texts, call.threshold, call.top_k, **sizes)
        if call.task in CLASSIFYING:
            found = predictor.predict(texts, **sizes, return_prob=True)
        else:
            found = CLASSIFIERS[call.task](predictor, texts, call.max_seq_len)
        return list(zip(*found, strict=True))

    def form(self, call, answer, return_prob):
        """An answer of `run` as it goes into a reply."""
        if call.task == EMBEDDING:
            return [part.tolist() for part in answer]
        if call.task in (QA, TAG, *PRETRAINED):
            return answer
        label, chances = answer
        if not return_prob:
            return label
        chances = chances if isinstance(chances, list) else chances.tolist()
        return {"label": label, "probabilities": chances}

    def _predictor(self, call):
        if call.task in PRETRAINED:
            return self.pretrained()
        kind = TOKENS if call.task == TAG else call.task
        own = self.predictor()
        return self.heads[kind]() if own.kind is None and kind in self.heads else own


def _words(text):
    return text.split(SPLIT) if SPLIT in text else text


def _only_without_gpu(use_gpu):
    if use_gpu:
        raise InputError("'use_gpu': where this server runs was said when it was started")

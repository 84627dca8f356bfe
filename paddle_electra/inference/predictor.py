"""Text in, answers out: one model, its tokenizer and its labels."""

import functools
import os
import warnings

import numpy as np
import paddle

from .. import checkpoint as checkpoints
from ..errors import InputError
from ..forking import Lock
from ..runtime import use_fast_products
from ..text.tokenizer import ElectraTokenizer
from .batching import batches
from .engine import EagerEngine, StaticEngine, check_precision, chosen
from .graphs import find_or_make, shortest
from .inputs import as_texts, check_number
from .networks import CLASSIFYING, Networks

DEFAULT_LENGTH = 128
ENGINES = ("auto", "static", "eager")
_VARIABLE = "PADDLE_ELECTRA_ENGINE"


class Predictor:
    """Answers for lists of texts.

    Texts are sorted by length before they are cut into batches, so that little is padding; the
    answers come back in the order of the texts.

    Args:
        networks: a `Networks`, or whatever has its ``layer``, ``config``, ``task``, ``labels``
            and ``source``.
        tokenizer: its `ElectraTokenizer`.
        engine, precision, threads, device: as in `load`.

    Attributes: ``networks``, ``config``, ``tokenizer``, ``labels`` (None without a head),
    ``max_seq_length`` (tokens per text unless a call says otherwise: those the head was trained
    with, else 128 or the most that the network takes).
    """

    def __init__(
        self, networks, tokenizer, engine="auto", precision="auto", threads=None, device=None
    ):
        use_fast_products()
        config = networks.config
        if tokenizer.vocab_size > config.vocab_size:
            raise InputError(
                f"{networks.checkpoint.vocab_name}: {tokenizer.vocab_size} tokens, but the model "
                f"has embeddings for {config.vocab_size}; use the vocabulary it was trained with"
            )
        self.networks, self.config, self.tokenizer = networks, config, tokenizer
        self.labels = networks.labels
        trained = (networks.task or {}).get("max_seq_length")
        self.max_seq_length = trained or min(DEFAULT_LENGTH, config.max_position_embeddings)
        self._engine = check_engine(engine)
        if threads is not None:
            check_number(threads, "threads")
        self._threads, self._device = threads, check_device(device)
        self._precision = check_precision(precision, self._engine, self.device)
        self._engines, self._choosing = {}, Lock()

    @classmethod
    def load(cls, source, engine="auto", precision="auto", threads=None, device=None):
        """Load a model of any supported format, or a loaded `Checkpoint`.

        Args:
            source: a path or a `Checkpoint`.
            engine: "static" (a static graph under Paddle Inference, made at the first use and kept
                beside the weights or in the user's cache), "eager" (Paddle's eager mode, the
                reference), or "auto": static where that works.  The environment variable
                PADDLE_ELECTRA_ENGINE says what "auto" means.
            precision: "float32", or "bfloat16" on processors that have it (and on GPUs): faster,
                with logits that differ in the third digit.  "auto" is what the environment
                variable PADDLE_ELECTRA_PRECISION says, else float32.
            threads: of the static engine on a CPU; None: OMP_NUM_THREADS, or a thread a core.
            device: "cpu", "gpu" or "gpu:1"; None: Paddle's, see `paddle.set_device`.
        Raises:
            InputError: nothing there, missing weights, a task without an answer here, or an
                argument that does not exist or not here.
        """
        given_path = isinstance(source, (str, os.PathLike))
        checkpoint = checkpoints.load(source) if given_path else source
        for note in checkpoint.notes:
            warnings.warn(f"{checkpoint.source}: {note}", stacklevel=2)
        config = checkpoint.config
        with checkpoint.naming():
            tokenizer = ElectraTokenizer(checkpoint.vocab_file, do_lower_case=config.do_lower_case)
        predictor = cls(Networks(checkpoint), tokenizer, engine, precision, threads, device)
        if predictor.kind is not None:
            predictor.engine("task")  # what is wrong with the weights shows now
        return predictor

    def eager(self):
        """The same networks, as they are now, in eager mode: for weights that were changed."""
        changed = {"engine": "eager", "precision": "float32", "device": self._device}
        other = type(self)(self.networks, self.tokenizer, **changed)
        other.labels, other.max_seq_length = self.labels, self.max_seq_length
        return other

    @property
    def device(self):
        """Where it computes: "cpu" or "gpu:0"."""
        return self._device or paddle.get_device()

    @property
    def kind(self):
        """Kind of the task that the model was fine-tuned for, None for a pretrained model."""
        return None if self.networks.task is None else self.networks.task["kind"]

    def engine(self, name):
        """What runs the network ``name`` of `networks`: made once, at the first call.

        Raises:
            InputError: the model has no such network, or no folder can be written for its graph.
        """
        key = (name, self.device)
        with self._choosing:
            if key not in self._engines:
                self._engines[key] = self._choose_engine(name)
            return self._engines[key]

    def _choose_engine(self, name):
        if self._engine == "eager" or getattr(self.networks, "in_memory", True):
            if self._engine == "static":
                raise InputError(
                    "engine: 'static' needs weights that lie in files; these are in memory only, "
                    "save them first or leave engine at 'auto'"
                )
            self._check_eager_device()
            return EagerEngine(self.networks.layer(name))
        find = functools.partial(find_or_make, self.networks, name)
        least = shortest(self.networks, name)
        try:
            return StaticEngine(find, least, self._precision, self._threads, self.device)
        except InputError:
            raise
        except Exception as error:  # of Paddle, which cannot trace this network
            if self._engine == "static":
                raise
            warnings.warn(f"no static graph, eager mode instead: {error!r:.200}", stacklevel=2)
            return EagerEngine(self.networks.layer(name))

    def _check_eager_device(self):
        now = paddle.device.get_device()
        if self._device and self._device not in (now, now.partition(":")[0]):
            raise InputError(
                f"device: eager mode computes on {now}, not {self._device}; call "
                f"paddle.set_device({self._device!r}) first"
            )

    def predict(self, texts, batch_size=None, max_seq_len=None, return_prob=False):
        """Classify texts.

        Args:
            texts: list of texts, ``[text]`` or ``[text, second text]``.
            batch_size: most texts per pass through the network; default as many as fit.
            max_seq_len: tokens per text, longer ones are cut; default `max_seq_length`.
            return_prob: also return the probabilities.
        Returns:
            The list of labels; with ``return_prob`` a pair of it and a float32 array
            [texts, classes].
        Raises:
            InputError: a network without such a head, or an argument of a wrong type or size.
        """
        if self.kind not in CLASSIFYING:
            raise InputError(
                "this model has no classification head; fine-tune it with "
                "`paddle-electra finetune`, or load a fine-tuned directory"
            )
        texts = as_texts(texts)
        probabilities = np.zeros((len(texts), len(self.labels)), np.float32)
        for batch, (logits,) in self.outputs("task", self.encode(texts, max_seq_len), batch_size):
            probabilities[batch.rows] = softmax(logits)
        labels = [self.labels[best] for best in probabilities.argmax(-1)]
        return (labels, probabilities) if return_prob else labels

    def embed(self, texts, batch_size=None, max_seq_len=None):
        """Hidden states of the top layer.

        Returns:
            (pooled, tokens): pooled is the state of [CLS], a float32 array [texts, hidden]
            (ELECTRA has no pooling layer, PARITY 2; BERT's is applied); tokens is a list with one
            array [tokens of the text, hidden] each, [CLS] and [SEP] included, without padding.
        Raises:
            InputError: an argument of a wrong type or size.
        """
        texts = as_texts(texts)
        tokens = [None] * len(texts)
        pooled = np.zeros((len(texts), self.config.hidden_size), np.float32)
        encodings = self.encode(texts, max_seq_len)
        for batch, (states, firsts) in self.outputs("encoder", encodings, batch_size):
            pooled[batch.rows] = firsts
            for row, state, length in zip(batch.rows, states, batch.lengths, strict=True):
                tokens[row] = state[:length].copy()
        return pooled, tokens

    def encode(self, texts, max_seq_len=None):
        """`Encoding`s of texts and pairs, cut to ``max_seq_len`` tokens."""
        return self.tokenizer.encode_batch(texts, self.check_length(max_seq_len))

    def outputs(self, name, encodings, batch_size=None):
        """Run the network ``name``; yields (`Batch`, tuple of its output arrays)."""
        if batch_size is not None:
            check_number(batch_size, "batch_size")
        engine = self.engine(name)
        for batch in batches(
            encodings,
            self.tokenizer.pad_id,
            batch_size,
            multiple=engine.multiple,
            least=engine.least,
            most=self.config.max_position_embeddings,
        ):
            yield batch, engine.run(*batch.arrays)

    def check_length(self, max_seq_len):
        """``max_seq_len``, or the default for None.  Raises `InputError` for one out of bounds."""
        most = self.config.max_position_embeddings
        if max_seq_len is None:
            return self.max_seq_length
        if check_number(max_seq_len, "max_seq_len", least=3) > most:
            raise InputError(f"max_seq_len: {max_seq_len} is more than this model's {most}")
        return max_seq_len

    # Each of these stands in a file of its own, loaded when it is first asked for.

    def fill_mask(self, texts, top_k=5, *, batch_size=None, max_seq_len=None):
        """Guess the tokens behind each [MASK] of each text.

        Args:
            texts: list of texts with "[MASK]" in them, one or several.
            top_k: guesses for each mask.
        Returns:
            of each text, of each mask, its guesses, the best first: list of list of list of
            {"token": str, "probability": float}.  Special tokens are no guesses.  A token that
            continues a word begins with "##".  `masks.filled` puts the best ones into the text.
        Raises:
            InputError: a text without [MASK] or with one beyond ``max_seq_len``, a model without a
                generator, or an argument of a wrong type or size.
        """
        from .masks import fill_mask

        return fill_mask(self, texts, top_k, batch_size, max_seq_len)

    def detect(self, texts, threshold=0.5, top_k=3, *, batch_size=None, max_seq_len=None):
        """How likely was each character put in the place of another?

        Texts of more than ``max_seq_len`` tokens are read in overlapping stretches.

        Args:
            texts: list of texts, which may be empty.
            threshold: least probability of what is called suspicious.
            top_k: suggestions for each suspicious token; 0 for none, which saves their time.
        Returns:
            of each text a dict: "text"; "characters", [{"character": str, "start": int,
            "probability": float}] with one entry for every character, whose probability is None
            where no token stands, as at spaces; "suspicious", [{"start": int, "end": int, "text":
            str, "probability": float, "suggestions": [{"token", "probability"}]}], one entry for
            each token (a Chinese character, or a piece of a Latin word).  Suggestions are the
            generator's guesses other than what stands there; a model without a generator has
            none.
        Raises:
            InputError: a fine-tuned model, or an argument of a wrong type or size.
        """
        from .detection import detect

        return detect(self, texts, threshold, top_k, batch_size, max_seq_len)

    def tag(self, texts, *, batch_size=None, max_seq_len=None):
        """Label the words of texts with a model fine-tuned on tagging.

        Texts of more than ``max_seq_len`` tokens are read in overlapping stretches.

        Args:
            texts: list whose items are a text, of which every character but white space is a word
                (as in files with a character a line), or a list of words.
        Returns:
            of each text a dict: "words", "labels" and "probabilities" (of those labels), one
            for each word; "pieces" and "piece_labels", one for each token, of which a word's first
            one decides; "entities", [{"type": str, "start": int, "end": int, "text": str}] with
            places in characters of the text, or in words where words were given; "end" is one
            after the last.
        Raises:
            InputError: another kind of model, or an argument of a wrong type or size.
        """
        from .tagging import tag

        return tag(self, texts, batch_size, max_seq_len)

    def answer(self, questions, n_best=5, *, batch_size=None, max_seq_len=None):
        """Find the answers to questions in their contexts, with the settings of the training.

        Args:
            questions: list of (question, context) or {"question", "context"}; long contexts are
                read in overlapping windows of ``max_seq_len`` tokens.
            n_best: most answers to each question.
        Returns:
            of each question a dict: "answers", [{"text": str, "probability": float, "start": int,
            "end": int}], the best first, perhaps none; the probability is that among the answers
            that training compares (20, or ``n_best`` if more), and the places are characters of the
            context (None for a model trained with spans="hfl"); "no_answer", the probability that
            the context has no answer, None for a model that was not trained to tell.
        Raises:
            InputError: another kind of model, an empty question or context, or an argument of a
                wrong type or size.
        """
        from .reading import answer

        return answer(self, questions, n_best, batch_size, max_seq_len)

    @functools.cached_property
    def output_table(self):
        """See `Networks.output_table`."""
        return self.networks.output_table()


def check_engine(engine):
    """``engine`` if there is such a one; "auto" may be another by the environment."""
    return chosen("engine", engine, ENGINES, _VARIABLE)[0]


def check_device(device):
    """``device`` if this Paddle has it; None stays None."""
    if device is None:
        return None
    kind, colon, number = str(device).partition(":")
    if kind not in ("cpu", "gpu") or (colon and (kind == "cpu" or not number.isdigit())):
        raise InputError(f"device: expected 'cpu', 'gpu' or 'gpu:1', got {device!r:.40}")
    if kind == "gpu" and not paddle.device.is_compiled_with_cuda():
        raise InputError("device: this Paddle was built without GPU support; use 'cpu'")
    if kind == "gpu" and not paddle.device.cuda.device_count():
        raise InputError("device: this Paddle sees no GPU; use 'cpu'")
    return device


def use_device(device):
    """Compute on ``device`` from now on, for eager mode too; None leaves it to Paddle."""
    if check_device(device) is not None:
        paddle.set_device(device)


def softmax(logits):
    """Probabilities along the last axis."""
    exponents = np.exp(logits - logits.max(-1, keepdims=True))
    return exponents / exponents.sum(-1, keepdims=True)

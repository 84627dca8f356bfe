"""Text in, answers out: one model, its tokenizer and its labels."""

import os
import warnings

import numpy as np

from .. import checkpoint as checkpoints
from ..errors import InputError
from ..text.tokenizer import ElectraTokenizer
from .batching import batches
from .engine import EagerEngine
from .inputs import as_texts, check_number
from .networks import CLASSIFYING, Networks

DEFAULT_LENGTH = 128


class Predictor:
    """Answers for lists of texts.

    Texts are sorted by length before they are cut into batches, so that little is padding; the
    answers come back in the order of the texts.

    Args:
        networks: a `Networks`, or whatever has its ``layer``, ``config``, ``task``, ``labels``
            and ``source``.
        tokenizer: its `ElectraTokenizer`.

    Attributes: ``networks``, ``config``, ``tokenizer``, ``labels`` (None without a head),
    ``max_seq_length`` (tokens per text unless a call says otherwise: those the head was trained
    with, else 128 or the most that the network takes).
    """

    def __init__(self, networks, tokenizer):
        config = networks.config
        if tokenizer.vocab_size > config.vocab_size:
            raise InputError(
                f"{tokenizer.vocab_file}: {tokenizer.vocab_size} tokens, but the model has "
                f"embeddings for {config.vocab_size}; use the vocabulary it was trained with"
            )
        self.networks, self.config, self.tokenizer = networks, config, tokenizer
        self.labels = networks.labels
        trained = (networks.task or {}).get("max_seq_length")
        self.max_seq_length = trained or min(DEFAULT_LENGTH, config.max_position_embeddings)

    @classmethod
    def load(cls, source):
        """Load a model of any supported format, or a loaded `Checkpoint`.

        Raises:
            InputError: nothing there, missing weights, or a task without an answer here.
        """
        given_path = isinstance(source, (str, os.PathLike))
        checkpoint = checkpoints.load(source) if given_path else source
        for note in checkpoint.notes:
            warnings.warn(f"{checkpoint.source}: {note}", stacklevel=2)
        config = checkpoint.config
        tokenizer = ElectraTokenizer(checkpoint.vocab_file, do_lower_case=config.do_lower_case)
        return cls(Networks(checkpoint), tokenizer)

    @property
    def kind(self):
        """Kind of the task that the model was fine-tuned for, None for a pretrained model."""
        return None if self.networks.task is None else self.networks.task["kind"]

    def engine(self, name):
        """What runs the network ``name`` of `networks`."""
        return EagerEngine(self.networks.layer(name))

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
        for batch in batches(encodings, self.tokenizer.pad_id, batch_size):
            yield batch, engine.run(*batch.arrays)

    def check_length(self, max_seq_len):
        """``max_seq_len``, or the default for None.  Raises `InputError` for one out of bounds."""
        most = self.config.max_position_embeddings
        if max_seq_len is None:
            return self.max_seq_length
        if check_number(max_seq_len, "max_seq_len", least=3) > most:
            raise InputError(f"max_seq_len: {max_seq_len} is more than this model's {most}")
        return max_seq_len


def softmax(logits):
    """Probabilities along the last axis."""
    exponents = np.exp(logits - logits.max(-1, keepdims=True))
    return exponents / exponents.sum(-1, keepdims=True)

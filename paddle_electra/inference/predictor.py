"""Text in, answers out: one network, its tokenizer and its labels."""

import os
import warnings

import numpy as np
import paddle

from .. import checkpoint as checkpoints
from ..checkpoint.names import ENCODER_PREFIX
from ..checkpoint.native import load_weights, starting_with
from ..errors import InputError
from ..modeling.electra import ElectraForSequenceClassification, ElectraModel
from ..text.tokenizer import ElectraTokenizer
from .inputs import as_texts, check_number

DEFAULT_LENGTH = 128
KINDS = ("seq-cls", "pair-cls")


class Predictor:
    """Answers for lists of texts, in eager mode.

    Texts are sorted by length before they are cut into batches, so that little is padding; the
    answers come back in the order of the texts.

    Args:
        network: an `ElectraModel`, or an `ElectraForSequenceClassification`; answering puts it into
            evaluation mode.
        config: its `ElectraConfig`.
        tokenizer: its `ElectraTokenizer`.
        labels: one answer per class; ``None`` for a network without a classification head.
        max_seq_length: tokens per text unless a call says otherwise, default 128 or the most
            that the network takes.
    """

    def __init__(self, network, config, tokenizer, labels=None, max_seq_length=None):
        if tokenizer.vocab_size > config.vocab_size:
            raise InputError(
                f"{tokenizer.vocab_file}: {tokenizer.vocab_size} tokens, but the model has "
                f"embeddings for {config.vocab_size}; use the vocabulary it was trained with"
            )
        self.network = network
        self.config = config
        self.tokenizer = tokenizer
        self.labels = labels
        self.max_seq_length = max_seq_length or min(DEFAULT_LENGTH, config.max_position_embeddings)
        network.eval()

    @classmethod
    def load(cls, source):
        """Load a checkpoint directory of any supported format, or a loaded `Checkpoint`.

        Raises:
            InputError: nothing there, missing weights, or a task without an answer here.
        """
        given_path = isinstance(source, (str, os.PathLike))
        checkpoint = checkpoints.load(source) if given_path else source
        config, task, source = checkpoint.config, checkpoint.task, checkpoint.source
        for note in checkpoint.notes:
            warnings.warn(f"{source}: {note}", stacklevel=2)
        tokenizer = ElectraTokenizer(checkpoint.vocab_file, do_lower_case=config.do_lower_case)
        if task is None:
            network = ElectraModel(config)
            load_weights(network, encoder_weights(checkpoint.need_discriminator()), source)
            return cls(network, config, tokenizer)
        labels = task_labels(task, source)
        network = ElectraForSequenceClassification(config, len(labels))
        load_weights(network, checkpoint.discriminator, source)
        return cls(network, config, tokenizer, labels, task.get("max_seq_length"))

    def predict(self, texts, batch_size=32, max_seq_len=None, return_prob=False):
        """Classify texts.

        Args:
            texts: list of texts, ``[text]`` or ``[text, second text]``.
            batch_size: texts per pass through the network.
            max_seq_len: tokens per text, longer ones are cut; default `max_seq_length`.
            return_prob: also return the probabilities.
        Returns:
            The list of labels; with ``return_prob`` a pair of it and a float32 array
            [texts, classes].
        Raises:
            InputError: a network without a head, or an argument of a wrong type or size.
        """
        if self.labels is None:
            raise InputError(
                "this model has no classification head; fine-tune it with "
                "`paddle-electra finetune`, or load a fine-tuned directory"
            )
        texts = as_texts(texts)
        probabilities = np.zeros((len(texts), len(self.labels)), np.float32)
        for rows, batch, _ in self._batches(texts, batch_size, max_seq_len):
            probabilities[rows] = _softmax(_run(self.network, batch))
        labels = [self.labels[best] for best in probabilities.argmax(-1)]
        return (labels, probabilities) if return_prob else labels

    def embed(self, texts, batch_size=32, max_seq_len=None):
        """Hidden states of the top layer.

        Returns:
            (pooled, tokens): pooled is the state of [CLS], a float32 array [texts, hidden]
            (ELECTRA has no pooling layer, PARITY 2; BERT's is applied); tokens is a list with one
            array [tokens of the text, hidden] each, [CLS] and [SEP] included, without padding.
        Raises:
            InputError: an argument of a wrong type or size.
        """
        texts = as_texts(texts)
        encoder = self.network if self.labels is None else self.network.electra
        tokens = [None] * len(texts)
        pooled = np.zeros((len(texts), self.config.hidden_size), np.float32)
        for rows, batch, lengths in self._batches(texts, batch_size, max_seq_len):
            with paddle.no_grad():
                states = encoder(*batch)  # [rows, length, hidden]
                pooled[rows] = encoder.pool(states).astype("float32").numpy()
            states = states.astype("float32").numpy()
            for row, state, length in zip(rows, states, lengths, strict=True):
                tokens[row] = state[:length].copy()
        return pooled, tokens

    def _batches(self, texts, batch_size, max_seq_len):
        """Yield (row numbers, (input_ids, token_type_ids, attention_mask), lengths)."""
        self.network.eval()  # a caller may have trained it since
        batch_size = check_number(batch_size, "batch_size")
        length = self._check_length(max_seq_len)
        encodings = self.tokenizer.encode_batch(texts, length)
        order = sorted(range(len(encodings)), key=lambda row: len(encodings[row].ids))
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            yield rows, *self._pad([encodings[row] for row in rows])

    def _check_length(self, max_seq_len):
        most = self.config.max_position_embeddings
        if max_seq_len is None:
            return self.max_seq_length
        if check_number(max_seq_len, "max_seq_len", least=3) > most:
            raise InputError(f"max_seq_len: {max_seq_len} is more than this model's {most}")
        return max_seq_len

    def _pad(self, encodings):
        lengths = [len(encoding.ids) for encoding in encodings]
        shape = (len(encodings), max(lengths))
        ids = np.full(shape, self.tokenizer.pad_id, np.int64)
        types = np.zeros(shape, np.int64)
        for row, (encoding, length) in enumerate(zip(encodings, lengths, strict=True)):
            ids[row, :length] = encoding.ids
            types[row, :length] = encoding.token_type_ids
        mask = (np.arange(shape[1]) < np.array(lengths)[:, None]).astype(np.int64)
        return tuple(paddle.to_tensor(array) for array in (ids, types, mask)), lengths


def encoder_weights(tensors):
    """The tensors of the encoder alone, named as `ElectraModel` names them."""
    return starting_with(tensors, ENCODER_PREFIX, strip=True)


def task_labels(task, source):
    """The labels of a fine-tuned checkpoint's ``task``, checked."""
    kind, labels = task.get("kind"), task.get("labels")
    if kind not in KINDS:
        raise InputError(f"{source}: its task is of kind {kind!r}; there are: {', '.join(KINDS)}")
    if not isinstance(labels, list) or len(labels) != task.get("num_classes", len(labels)):
        raise InputError(f"{source}: task.json: 'labels' must list one label per class")
    return labels


def _run(layer, batch):
    with paddle.no_grad():
        return layer(*batch).astype("float32").numpy()


def _softmax(logits):
    exponents = np.exp(logits - logits.max(-1, keepdims=True))
    return exponents / exponents.sum(-1, keepdims=True)

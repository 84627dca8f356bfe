"""Examples to batches of arrays, prepared ahead of the step that needs them."""

import queue
import threading
from typing import NamedTuple

import numpy as np

from . import masking


class MicroBatch(NamedTuple):
    """One part of a step's batch, as NumPy arrays; ids are int64."""

    input_ids: np.ndarray  # (batch, length)
    masked_input_ids: np.ndarray
    token_type_ids: np.ndarray
    attention_mask: np.ndarray
    masked_positions: np.ndarray  # (slots,) of the flattened (batch * length)
    slot_counts: np.ndarray  # (batch,) slots of each example
    step: int
    first_place: int  # of its first example in the step's batch

    def gumbel(self, seed, vocab_size):
        """(slots, vocabulary) float32 noise, keyed by seed, step and place.

        Drawn when it is needed: for all parts of a large batch it would fill the memory.
        """
        return np.concatenate(
            [
                masking.gumbel_noise(
                    int(count),
                    vocab_size,
                    masking.generator(masking.GUMBEL, seed, self.step, self.first_place + row),
                )
                for row, count in enumerate(self.slot_counts)
            ]
        )


class Batch(NamedTuple):
    """All parts of one step."""

    step: int
    examples: np.ndarray  # numbers in the data set
    parts: list
    tokens: int  # real tokens of the whole batch, [CLS] and [SEP] included
    slots: int  # masked slots of the whole batch


class BatchMaker:
    """Builds the batch of any step from the data set.

    Args:
        dataset: a `ShardDataset`.
        special_ids: ids that are never masked; mask_id, pad_id: of the vocabulary.
        parts: micro-batches a step (gradient accumulation).
    """

    def __init__(self, dataset, special_ids, mask_id, pad_id, seed, mask_prob, mode, parts=1):
        self.dataset = dataset
        self.special_ids, self.mask_id, self.pad_id = special_ids, mask_id, pad_id
        self.seed, self.mask_prob, self.mode, self.parts = seed, mask_prob, mode, parts

    def make(self, step, examples):
        """The `Batch` of ``step`` from the given example numbers."""
        rows = [self._prepare(step, place, number) for place, number in enumerate(examples)]
        size = -(-len(rows) // self.parts)
        parts = [
            self._collate(rows[start : start + size], step, start)
            for start in range(0, len(rows), size)
        ]
        return Batch(
            step,
            examples,
            parts,
            sum(int(part.attention_mask.sum()) for part in parts),
            sum(len(part.masked_positions) for part in parts),
        )

    def _prepare(self, step, place, number):
        ids, first_length = self.dataset[int(number)]
        masked = masking.mask_tokens(
            ids,
            self.special_ids,
            self.mask_id,
            self.dataset.max_seq_length,
            masking.generator(masking.MASK, self.seed, step, place),
            self.mask_prob,
            self.mode,
        )
        return ids, first_length, masked

    def _collate(self, rows, step, first_place):
        longest = max(len(ids) for ids, *_ in rows)
        length = min(-(-longest // 8) * 8, self.dataset.max_seq_length)
        shape = (len(rows), length)
        ids = np.full(shape, self.pad_id, np.int64)
        masked_ids = np.full(shape, self.pad_id, np.int64)
        types, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        positions = []
        for row, (tokens, first_length, masked) in enumerate(rows):
            count = len(tokens)
            ids[row, :count] = tokens
            masked_ids[row, :count] = masked.input_ids
            types[row, first_length:count] = 1
            mask[row, :count] = 1
            positions.append(masked.positions + row * length)
        return MicroBatch(
            ids,
            masked_ids,
            types,
            mask,
            np.concatenate(positions),
            np.array([len(masked.positions) for *_, masked in rows]),
            step,
            first_place,
        )


def prefetch(make, steps, depth=2):
    """Yield ``make(step)`` for each step, computed by a thread up to ``depth`` steps ahead.

    An exception in the thread is raised here.
    """
    results = queue.Queue(depth)
    stop = threading.Event()

    def put(item):
        while not stop.is_set():
            try:
                results.put(item, timeout=0.2)
                return
            except queue.Full:
                continue

    def work():
        try:
            for step in steps:
                put((make(step), None))
                if stop.is_set():
                    return
            put((None, StopIteration()))
        except Exception as error:
            put((None, error))

    thread = threading.Thread(target=work, daemon=True, name="prefetch")
    thread.start()
    try:
        while True:
            item, error = results.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item
    finally:
        stop.set()
        thread.join()

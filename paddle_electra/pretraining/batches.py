"""Examples to batches of arrays, prepared ahead of the step that needs them."""

import queue
import threading
from typing import NamedTuple

import numpy as np
import paddle

from ..modeling import layouts
from . import masking

LAYOUTS = ("padded", "packed", "unpadded")


class Prepared(NamedTuple):
    """One example of a batch, masked, without padding."""

    place: int  # in the step's batch, which keys all that is random about it
    ids: np.ndarray  # (tokens,)
    first_length: int
    masked: masking.Masked
    uniforms: np.ndarray  # (slots,) float32, what the samples are drawn with


class MicroBatch(NamedTuple):
    """One part of a step's batch, as NumPy arrays; ids are int64.

    The arrays are (batch, length) if padded, (rows, length) if packed and (tokens,) if unpadded.
    """

    kind: str  # of LAYOUTS
    number: int  # of the part in the step's batch, over all processes
    places: list  # of its examples in the step's batch, in the order of the arrays
    lengths: np.ndarray  # (examples,) tokens
    starts: np.ndarray  # (examples,) first token in the flattened arrays
    input_ids: np.ndarray
    masked_input_ids: np.ndarray
    token_type_ids: np.ndarray
    example_ids: np.ndarray  # which example of its row, from 1; 0 for padding
    positions: np.ndarray  # of each token in its example
    masked_positions: np.ndarray  # (slots,) of the flattened arrays
    uniforms: np.ndarray  # (slots,)

    @property
    def real(self):
        """Boolean, in the shape of the ids: tokens, not padding."""
        return self.example_ids > 0

    def layout(self):
        """The `layouts` object for the model."""
        if self.kind == "unpadded":
            return layouts.Unpadded(self.lengths)
        if self.kind == "packed":
            return layouts.Packed(*map(paddle.to_tensor, (self.example_ids, self.positions)))
        real = self.real
        return layouts.Padded(None if real.all() else paddle.to_tensor(real))


class Batch(NamedTuple):
    """The parts of one step that this process computes."""

    step: int
    examples: np.ndarray  # numbers in the data set, of the whole batch
    parts: list

    @property
    def tokens(self):
        """Real tokens of these parts, [CLS] and [SEP] included."""
        return sum(int(part.lengths.sum()) for part in self.parts)

    @property
    def slots(self):
        """Masked slots of these parts."""
        return sum(len(part.masked_positions) for part in self.parts)

    @property
    def lengths(self):
        """Tokens of each example of these parts."""
        return np.concatenate([part.lengths for part in self.parts])

    @property
    def size(self):
        """Places in the arrays of these parts, padding included."""
        return sum(part.input_ids.size for part in self.parts)


class BatchMaker:
    """Builds the batch of any step from the data set.

    Args:
        dataset: a `ShardDataset`.
        tokenizer: for the special ids.
        options: ``seed``, ``mask_prob``, ``masking``, ``mask_whole_words``.
        kind: of LAYOUTS.
        parts: micro-batches of a step, of each process.
        rank, processes: which of how many processes this one is.
    """

    def __init__(self, dataset, tokenizer, options, kind="padded", parts=1, rank=0, processes=1):
        self.dataset = dataset
        self.kind = kind
        self._special_ids = [tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id]
        self._mask_id, self._pad_id = tokenizer.mask_id, tokenizer.pad_id
        self._options = options
        self._parts, self._rank, self._processes = parts, rank, processes

    def make(self, step, examples):
        """The `Batch` of ``step`` from the numbers of the examples of the whole batch.

        The batch is cut into as even parts as there are processes and micro-batches; this
        process reads and masks its own ones.
        """
        cuts = np.array_split(np.arange(len(examples)), self._processes * self._parts)
        first = self._rank * self._parts
        parts = []
        for number in range(first, first + self._parts):
            rows = [self._prepare(step, place, examples[place]) for place in cuts[number].tolist()]
            if rows:
                parts.append(self._collate(rows, number))
        return Batch(step, examples, parts)

    def _prepare(self, step, place, number):
        ids, first_length = self.dataset[int(number)]
        seed, share = self._options.seed, self._options.mask_prob
        rng = masking.generator(masking.MASK, seed, step, place)
        common = (self._special_ids, self._mask_id, self.dataset.max_seq_length, rng, share)
        if self._options.mask_whole_words:
            masked = masking.mask_words(ids, self.dataset.word_starts(int(number)), *common)
        else:
            masked = masking.mask_tokens(ids, *common, self._options.masking)
        source = masking.generator(masking.SAMPLE, seed, step, place)
        uniforms = source.random(len(masked.positions), dtype=np.float32)
        return Prepared(place, ids, first_length, masked, uniforms)

    def _collate(self, rows, number):
        if self.kind != "padded":
            rows = sorted(rows, key=lambda row: -len(row.ids))  # stable: places break ties
        longest = max(len(row.ids) for row in rows)
        width = min(-(-longest // 8) * 8, self.dataset.max_seq_length)
        if self.kind == "unpadded":
            starts = np.cumsum([0, *(len(row.ids) for row in rows)])
            shape, starts = (int(starts[-1]),), starts[:-1]
        elif self.kind == "packed":
            shape, starts = _pack([len(row.ids) for row in rows], self.dataset.max_seq_length)
        else:
            shape, starts = (len(rows), width), np.arange(len(rows)) * width
        return self._fill(rows, number, shape, starts)

    def _fill(self, rows, number, shape, starts):
        ids, masked_ids = (np.full(shape, self._pad_id, np.int64).reshape(-1) for _ in range(2))
        types, examples, positions = (np.zeros(ids.shape, np.int64) for _ in range(3))
        slots = []
        for count, (row, start) in enumerate(zip(rows, starts, strict=True), 1):
            here = slice(start, start + len(row.ids))
            ids[here] = row.ids
            masked_ids[here] = row.masked.input_ids
            types[start + row.first_length : here.stop] = 1
            examples[here] = count
            positions[here] = np.arange(len(row.ids))
            slots.append(row.masked.positions + start)
        return MicroBatch(
            self.kind,
            number,
            [row.place for row in rows],
            np.array([len(row.ids) for row in rows]),
            np.asarray(starts),
            *(array.reshape(shape) for array in (ids, masked_ids, types, examples, positions)),
            np.concatenate(slots),
            np.concatenate([row.uniforms for row in rows]),
        )


def _pack(lengths, width):
    """Where examples, longest first, go in rows of ``width``: first fit.

    Returns:
        ((rows, width), start of each in the flattened rows).
    """
    free, starts = [], []
    for length in lengths:
        row = next((row for row, room in enumerate(free) if room >= length), len(free))
        if row == len(free):
            free.append(width)
        starts.append(row * width + width - free[row])
        free[row] -= length
    return (len(free), width), starts


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

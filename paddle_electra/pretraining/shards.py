"""Token shards: pretraining examples on disk, without padding, read through memory maps.

A dataset is a folder with ``dataset.json`` (settings, statistics, and for each shard its counts
and SHA-256; written last, so its presence means that the dataset is whole), ``vocab.txt``, and
for each shard two little-endian files, or three:

    shard-00000.tokens  the token ids of all examples, one after the other: uint16, or uint32
                        for a vocabulary of more than 65536
    shard-00000.index   int64 [examples, 2]: where an example ends in the file above, counted in
                        tokens, and how many of its tokens have type 0
    shard-00000.words   a bit for each token of the file above, the highest of a byte first: 1
                        where the token begins a word ([CLS] and [SEP] do); there if the dataset
                        was built with a segmenter
"""

import bisect
import contextlib
import hashlib
import itertools
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files import atomic_write, read_json, sha256

FORMAT = "paddle-electra pretraining shards"
VERSION = 1
DATASET_FILE = "dataset.json"
VOCAB_FILE = "vocab.txt"
BUILD_FILE = "build.json"  # of an unfinished build

KINDS = ("tokens", "index", "words")  # of files
_INDEX_TYPE = np.dtype("<i8")


def token_type(vocab_size):
    """The NumPy type of stored token ids."""
    return np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")


def shard_name(number):
    return f"shard-{number:05d}"


def shard_paths(folder, record):
    """{kind: path} of the files of a shard, by its record in dataset.json."""
    kinds = KINDS if has_words(record) else KINDS[:2]
    return {kind: Path(folder) / f"{record['name']}.{kind}" for kind in kinds}


def has_words(record):
    """Does a shard say where words begin?"""
    return "words" in record.get("sha256", {})


@contextlib.contextmanager
def write_shard(folder, name, vocab_size, with_words=False):
    """Yield a `ShardWriter`; its files appear when the block ends without an exception.

    Args:
        with_words: write the file of bits that say where words begin.
    Raises:
        InputError: the disk is full or the folder not writable.
    """
    with contextlib.ExitStack() as stack:
        handles = {
            kind: stack.enter_context(atomic_write(Path(folder) / f"{name}.{kind}", "wb"))
            for kind in (KINDS if with_words else KINDS[:2])
        }
        writer = ShardWriter(name, handles, token_type(vocab_size))
        yield writer
        writer.flush()


class ShardWriter:
    """Append examples to the open files of a shard; memory does not grow with the shard.

    Args:
        handles: {kind: binary file}; with "words" or without.
        dtype: of the token ids.
    """

    def __init__(self, name, handles, dtype):
        self.examples = 0
        self.tokens = 0
        self._name = name
        self._dtype = dtype
        self._files = {kind: _HashedFile(handle) for kind, handle in handles.items()}
        self._bits = np.zeros(0, bool)  # of word starts, less than a byte

    def append(self, tokens, lengths, first_lengths, word_starts=None):
        """Append examples.

        Args:
            tokens: int [n], the token ids of all of them, one after the other.
            lengths, first_lengths: int [examples], tokens of each, and those of type 0.
            word_starts: bool [n], for a shard with words.
        """
        ends = self.tokens + np.cumsum(lengths)
        self.tokens += len(tokens)
        self.examples += len(lengths)
        self._files["tokens"].write(np.asarray(tokens, self._dtype))
        self._files["index"].write(np.stack([ends, first_lengths], 1).astype(_INDEX_TYPE))
        if "words" in self._files:
            self._bits = np.concatenate([self._bits, word_starts])
            whole = len(self._bits) & ~7
            self._files["words"].write(np.packbits(self._bits[:whole]))
            self._bits = self._bits[whole:]

    def flush(self):
        """Write what waits; nothing may be appended any more."""
        if len(self._bits):
            self._files["words"].write(np.packbits(self._bits))
            self._bits = self._bits[:0]

    def record(self):
        """What dataset.json says of the shard, after `flush`."""
        return {
            "name": self._name,
            "examples": self.examples,
            "tokens": self.tokens,
            "sha256": {kind: file.sha256() for kind, file in self._files.items()},
        }


class _HashedFile:
    def __init__(self, handle):
        self._handle = handle
        self._digest = hashlib.sha256()

    def write(self, array):
        data = array.tobytes()
        self._handle.write(data)
        self._digest.update(data)

    def sha256(self):
        return self._digest.hexdigest()


class ShardDataset:
    """The examples of a dataset folder, by number, whatever shard they are in.

    ``dataset[i]`` is ``(ids, first_length)``: int64 [n] token ids with [CLS] and [SEP]s, not
    padded, and the number of tokens of type 0.  It takes the same time for every ``i``; files
    are mapped when first needed, also after pickling or forking.

    Attributes: ``folder``, ``meta`` (the content of dataset.json), ``max_seq_length``,
    ``vocab_size``, ``vocab_fingerprint``, ``vocab_file``.

    Raises:
        InputError: no such folder, an unfinished or broken dataset, another format version, a
            shard that is missing or of another size than dataset.json says.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.meta = _read_meta(self.folder)
        self.max_seq_length = self.meta["max_seq_length"]
        self.vocab_size = self.meta["vocab_size"]
        self.vocab_fingerprint = self.meta["vocab_fingerprint"]
        self.vocab_file = self.folder / VOCAB_FILE
        self._shards = self.meta["shards"]
        self._ends = list(itertools.accumulate(shard["examples"] for shard in self._shards))
        self._maps = {}
        for shard in self._shards:
            check_sizes(self.folder, shard, self.vocab_size)

    def __len__(self):
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, number):
        files, start, end, first_length = self._place(number)
        return files["tokens"][start:end].astype(np.int64), first_length

    def word_starts(self, number):
        """bool [n]: which tokens of ``dataset[number]`` begin a word, [CLS] and [SEP] among them.

        None if the dataset was built without a segmenter.
        """
        files, start, end, _ = self._place(number)
        if "words" not in files:
            return None
        bits = np.unpackbits(files["words"][start // 8 : (end + 7) // 8])
        return bits[start % 8 :][: end - start].astype(bool)

    def _place(self, number):
        """(mapped files of its shard, first token, behind its last, tokens of type 0)."""
        if number < 0:
            number += len(self)
        if not 0 <= number < len(self):
            raise IndexError(f"example {number} of {len(self)}")
        position = bisect.bisect_right(self._ends, number)
        files = self._map(position)
        row = number - (self._ends[position - 1] if position else 0)
        start = int(files["index"][row - 1, 0]) if row else 0
        return files, start, *files["index"][row].tolist()

    def __getstate__(self):
        return {**self.__dict__, "_maps": {}}

    def _map(self, position):
        if position not in self._maps:
            paths = shard_paths(self.folder, self._shards[position])
            types = {"tokens": token_type(self.vocab_size), "index": _INDEX_TYPE}
            try:
                # Plain arrays over the maps: slicing a np.memmap costs ten times as much.
                files = {
                    kind: np.asarray(np.memmap(path, types.get(kind, np.uint8), mode="r"))
                    for kind, path in paths.items()
                }
            except FileNotFoundError as error:
                raise InputError(f"{error.filename}: the shard has disappeared") from None
            self._maps[position] = {**files, "index": files["index"].reshape(-1, 2)}
        return self._maps[position]

    def check_vocabulary(self, fingerprint):
        """Raise `InputError` if the shards were built with another vocabulary."""
        if fingerprint != self.vocab_fingerprint:
            raise InputError(
                f"{self.folder}: these shards were built with another vocabulary (or another "
                f"lower-case setting); use {self.vocab_file}, or build them again"
            )

    def verify(self, part=0, parts=1):
        """Read every file and compare its SHA-256.  Raises `InputError` naming a changed file.

        Args:
            part, parts: do so for the shards of one part only, of so many.
        """
        for shard in self._shards[part::parts]:
            check_content(self.folder, shard, self.vocab_size)


def check_sizes(folder, record, vocab_size):
    """Raise `InputError` if a shard is missing or its size is not what its record says."""
    sizes = {
        "tokens": record["tokens"] * token_type(vocab_size).itemsize,
        "index": record["examples"] * 2 * _INDEX_TYPE.itemsize,
        "words": (record["tokens"] + 7) // 8,
    }
    for kind, path in shard_paths(folder, record).items():
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            raise InputError(f"{path}: this shard is missing; build the dataset again") from None
        if size != sizes[kind]:
            raise InputError(
                f"{path}: {size} bytes, expected {sizes[kind]}: the file was cut or changed; "
                f"copy it again or build the dataset again"
            )


def check_content(folder, record, vocab_size):
    """`check_sizes`, and that all files still have the SHA-256 of the record."""
    check_sizes(folder, record, vocab_size)
    for kind, path in shard_paths(folder, record).items():
        if sha256(path) != record["sha256"][kind]:
            raise InputError(
                f"{path}: its content is not what was written (SHA-256 differs); "
                f"copy it again or build the dataset again"
            )


def _read_meta(folder):
    path = folder / DATASET_FILE
    if not folder.is_dir():
        found = "this is a file" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {found}; expected a folder of shards made by: data build")
    if not path.exists():
        unfinished = (folder / BUILD_FILE).exists()
        hint = (
            "the build is not finished; run the same data build again"
            if unfinished
            else ("expected a folder of shards made by: data build")
        )
        raise InputError(f"{folder}: no {DATASET_FILE}: {hint}")
    meta = read_json(path)
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise InputError(f"{path}: not the description of pretraining shards")
    if meta.get("version") != VERSION:
        raise InputError(
            f"{path}: format version {meta.get('version')}, this program reads {VERSION}; "
            f"build the dataset again"
        )
    missing = {"max_seq_length", "vocab_size", "vocab_fingerprint", "shards"} - meta.keys()
    if missing:
        raise InputError(f"{path}: the key {sorted(missing)[0]!r} is missing")
    return meta

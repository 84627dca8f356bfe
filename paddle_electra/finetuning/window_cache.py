"""Windows as few flat arrays and back, for `cache`.

A context that many windows show is kept once.  What can be had from the examples or from the
vocabulary at no cost is not kept: words and the texts of tokens (spans="hfl").
"""

import json

import numpy as np

from ..text.windows import Document, Window, split_words
from .cache import join, pieces

_NUMBERS = ("question", "number", "first", "length", "start", "end", "is_impossible")


class Windows(list):
    """A list of `Window`, with the ``notes`` that were printed when they were made."""

    def __init__(self, windows, notes):
        super().__init__(windows)
        self.notes = list(notes)


def pack(windows):
    """`Windows` to {name: array}; see `cache`."""
    documents = {id(window.document): window.document for window in windows}
    places = {key: place for place, key in enumerate(documents)}
    queries = {window.question: window.query_ids for window in windows}
    ids, lengths = join(queries.values(), np.int32)
    table = [
        (places[id(window.document)], *(getattr(window, name) for name in _NUMBERS))
        for window in windows
    ]
    shown, _ = join((window.max_context for window in windows), bool)
    return {
        "windows": np.array(table, np.int32).reshape(len(windows), 1 + len(_NUMBERS)),
        "query_ids": ids,
        "query_lengths": lengths,
        "max_context": np.packbits(shown),
        "notes": np.frombuffer(json.dumps(windows.notes).encode(), np.uint8),
        **_pack_documents(list(documents.values())),
    }


def _pack_documents(documents):
    """The ids and, as the documents have them, ``starts`` and ``ends`` or ``word_of``."""
    ids, lengths = join((document.ids for document in documents), np.int32)
    arrays = {"ids": ids, "document_lengths": lengths}
    by_word = any(document.word_of is not None for document in documents)
    for name in ("word_of",) if by_word else ("starts", "ends"):
        arrays[name], _ = join((getattr(document, name) for document in documents), np.int32)
    return arrays


def unpack(arrays, questions, tokenizer):
    """The `Windows` that `pack` packed.

    Args:
        arrays: {name: array}.
        questions: the examples that they were made of.
        tokenizer: the one that they were made with.
    """
    table = arrays["windows"].tolist()
    contexts = {place: questions[number].context for place, number, *_ in table}
    documents = _unpack_documents(arrays, contexts, tokenizer)
    parts = pieces(arrays["query_ids"], arrays["query_lengths"])
    numbers = dict.fromkeys(row[1] for row in table)
    queries = dict(zip(numbers, parts, strict=True))
    lengths = arrays["windows"][:, 1 + _NUMBERS.index("length")]
    total = int(lengths.sum(dtype=np.int64))
    shown = np.unpackbits(arrays["max_context"], count=total).view(bool)
    windows = [
        Window(
            question,
            number,
            queries[question],
            documents[place],
            first,
            length,
            start,
            end,
            is_impossible,
            best,
        )
        for (place, question, number, first, length, start, end, is_impossible), best in zip(
            table, pieces(shown, lengths), strict=True
        )
    ]
    return Windows(windows, json.loads(arrays["notes"].tobytes()))


def _unpack_documents(arrays, contexts, tokenizer):
    lengths = arrays["document_lengths"]
    all_ids = pieces(arrays["ids"], lengths)
    if "word_of" not in arrays:
        starts, ends = (pieces(arrays[name], lengths) for name in ("starts", "ends"))
        return [Document(*parts) for parts in zip(all_ids, starts, ends, strict=True)]
    all_words = pieces(arrays["word_of"].astype(np.int64), lengths)
    return [
        Document(
            ids,
            tokens=tokenizer.convert_ids_to_tokens(ids.tolist()),
            words=split_words(contexts[place])[0],
            word_of=word_of,
        )
        for place, (ids, word_of) in enumerate(zip(all_ids, all_words, strict=True))
    ]

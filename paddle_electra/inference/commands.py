"""``paddle-electra predict``, ``embed``, ``fill-mask``, ``detect`` and ``answer``: files to files.

Rows are read, answered and written a few thousand at a time, so that input may be of any length;
answers come in the order of the rows.
"""

import contextlib
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError
from ..progress import progress_bar
from .answer_options import OUTPUT_FORMATS
from .commands_input import STANDARD, Field, check_inputs, count_lines, read_rows
from .commands_output import (
    NPY,
    json_line,
    open_array,
    open_text,
    output_format,
    tab_line,
    vector_cells,
    vector_line,
)
from .masks import filled
from .networks import task_columns
from .predictor import Predictor, use_device

ROWS_AT_ONCE, CHARACTERS_AT_ONCE = 2048, 1 << 18  # what is in memory at a time
TOKEN_VECTORS_AT_ONCE = 1 << 15  # characters of texts whose every token gets a vector
_TEXTS = ("text", "text_a", "sentence", "sentence1", "premise", "question1", "query1", "review")
_PAIRS = ("text_b", "sentence2", "hypothesis", "hypo", "question2", "query2")


class Answering(NamedTuple):
    """What is particular to a command.

    ``fields``: what a row must have.  ``answer``: function from rows to their records, which are
    ready for JSON.  ``table``: function from (number of the row, record) to its lines as lists of
    cells; ``header``: their names, or None.  ``default``: format of input without an ending.
    """

    fields: list
    answer: Any
    table: Any
    header: list | None
    default: str = "text"


def run_predict(options):
    """The command ``predict``: labels of texts, pairs or words."""
    predictor = _prepare(options)
    if predictor.kind == "qa":
        raise InputError(
            f"{options.model}: this model answers questions; use `paddle-electra answer`"
        )
    if predictor.kind is None:
        predictor.networks.layer("task")  # says that there is no head, also of no text
    make = _tagging if predictor.kind == "token-cls" else _classifying
    _write(options, make(predictor, options), "text")


def run_fill_mask(options):
    """The command ``fill-mask``: guesses for each [MASK]."""
    predictor = _prepare(options)

    def answer(rows):
        texts = [row.texts[0] for row in rows]
        guesses = predictor.fill_mask(texts, options.top_k, **_sizes(options))
        for row, text, found in zip(rows, texts, guesses, strict=True):
            yield _named(row, {"text": text, "filled": filled(text, found), "masks": found})

    def table(number, record):
        for mask, found in enumerate(record["masks"], 1):
            for rank, one in enumerate(found, 1):
                yield [number, mask, rank, one["token"], one["probability"]]

    header = ["id", "mask", "rank", "token", "probability"]
    _write(options, Answering([_text_field(options, predictor)], answer, table, header), "text")


def run_detect(options):
    """The command ``detect``: which characters were replaced."""
    predictor = _prepare(options)

    def answer(rows):
        texts = [row.texts[0] for row in rows]
        found = predictor.detect(texts, options.threshold, options.top_k, **_sizes(options))
        for row, record in zip(rows, found, strict=True):
            characters = record.pop("characters")
            if options.return_prob:
                record["characters"] = characters
            yield _named(row, record)

    def suspicious(number, record):
        for one in record["suspicious"]:
            advice = " ".join(found["token"] for found in one["suggestions"])
            yield [number, one["start"], one["end"], one["text"], one["probability"], advice]

    def every(number, record):
        for one in record["characters"]:
            yield [number, one["start"], one["character"], one["probability"]]

    header = ["id", "start", "end", "text", "probability", "suggestions"]
    table = suspicious
    if options.return_prob:
        table, header = every, ["id", "start", "character", "probability"]
    _write(options, Answering([_text_field(options, predictor)], answer, table, header), "text")


def run_answer(options):
    """The command ``answer``: answers to questions."""
    predictor = _prepare(options)
    fields = [
        Field(("question", "query", "query_text"), "--question-column", options.question_column),
        Field(
            ("context", "passage", "paragraph", "context_text"),
            "--context-column",
            options.context_column,
        ),
    ]

    def answer(rows):
        found = predictor.answer([row.texts for row in rows], options.n_best, **_sizes(options))
        for row, record in zip(rows, found, strict=True):
            yield _named(row, {"question": row.texts[0], **record})

    def table(number, record):
        for rank, one in enumerate(record["answers"], 1):
            place = [one["start"], one["end"]]
            yield [number, rank, one["text"], one["probability"], *place, record["no_answer"]]

    header = ["id", "rank", "answer", "probability", "start", "end", "no_answer"]
    _write(options, Answering(fields, answer, table, header, "jsonl"), "question")


def run_embed(options):
    """The command ``embed``: vectors of texts."""
    kind = output_format(options, (*OUTPUT_FORMATS, NPY))
    if options.tokens and kind != "jsonl":
        raise InputError(f"--tokens writes JSON lines, not {kind}; name an --output in .jsonl")
    predictor = _prepare(options, (*OUTPUT_FORMATS, NPY))
    if kind == NPY:
        with open_array(options.output, predictor.config.hidden_size) as append:
            for _, vectors, _ in _vectors(predictor, options):
                append(vectors)
        return
    with open_text(options.output) as handle:
        for rows, vectors, tokens in _vectors(predictor, options):
            if kind == "tsv":
                handle.writelines(map(vector_cells, vectors))
            else:
                for row, vector, of_tokens in zip(rows, vectors, tokens, strict=True):
                    handle.write(vector_line(_named(row, {"vector": vector, **of_tokens})))
            handle.flush()


def _vectors(predictor, options):
    """Yields (rows, their vectors [rows, hidden], of each a dict of what --tokens adds)."""
    fields = [
        _text_field(options, predictor),
        _pair_field(options, predictor)._replace(needed=False),
    ]
    for rows in _chunks(options, fields, "text", "text", options.tokens):
        added = [{} for _ in rows]
        vectors = np.zeros((len(rows), predictor.config.hidden_size), np.float32)
        encodings = predictor.encode([_texts(row) for row in rows], options.max_seq_length)
        for batch, (states, firsts) in predictor.outputs("encoder", encodings, options.batch_size):
            vectors[batch.rows] = firsts
            if options.tokens:
                for row, state, length in zip(batch.rows, states, batch.lengths, strict=True):
                    tokens = encodings[row].tokens
                    added[row] = {"tokens": tokens, "token_vectors": state[:length].copy()}
        yield rows, vectors, added


def _classifying(predictor, options):
    fields, names = [_text_field(options, predictor)], ["text"]
    if predictor.kind == "pair-cls" or options.text_pair_column is not None:
        fields.append(_pair_field(options, predictor))
        names.append("text_b")

    def answer(rows):
        labels, chances = predictor.predict(
            [_texts(row) for row in rows],
            options.batch_size,
            options.max_seq_length,
            return_prob=True,
        )
        for row, label, chance in zip(rows, labels, chances.tolist(), strict=True):
            record = dict(zip(names, row.texts, strict=True))
            record["label"] = label
            if options.return_prob:
                record["probabilities"] = dict(zip(predictor.labels, chance, strict=True))
            yield _named(row, record)

    def table(number, record):
        texts = [record[name] for name in names]
        yield [number, *texts, record["label"], *record.get("probabilities", {}).values()]

    header = ["id", *names, "label"]
    if options.return_prob:
        header += [f"probability_{label}" for label in predictor.labels or ()]
    default = "tsv" if len(fields) > 1 else "text"
    return Answering(fields, answer, table, header, default)


def _tagging(predictor, options):
    field = _text_field(options, predictor)
    field = field._replace(names=("tokens", "words", *field.names), words=True)

    def answer(rows):
        for row, found in zip(
            rows, predictor.tag([row.texts[0] for row in rows], **_sizes(options)), strict=True
        ):
            shown = {"text": row.texts[0]} if isinstance(row.texts[0], str) else {}
            names = ["words", "labels", *(["probabilities"] if options.return_prob else [])]
            shown |= {name: found[name] for name in (*names, "entities")}
            yield _named(row, shown)

    def table(number, record):
        columns = [record["words"], record["labels"]]
        if options.return_prob:
            columns.append(record["probabilities"])
        yield from map(list, zip(*columns, strict=True))
        yield []  # a blank line after each sentence, as in files to train on

    return Answering([field], answer, table, None)


def _text_field(options, predictor):
    known = _trained_columns(predictor).get("text_a")
    return Field(_TEXTS, "--text-column", options.text_column, trained=known)


def _pair_field(options, predictor):
    known = _trained_columns(predictor).get("text_b")
    return Field(_PAIRS, "--text-pair-column", options.text_pair_column, trained=known)


def _trained_columns(predictor):
    return task_columns(predictor.networks.task, predictor.networks.source)


def _texts(row):
    """A text, or a pair where there is a second one."""
    texts = [text for text in row.texts if text is not None]
    return texts[0] if len(texts) == 1 else tuple(texts)


def _sizes(options):
    return {"batch_size": options.batch_size, "max_seq_len": options.max_seq_length}


def _named(row, record):
    return record if row.name is None else {"id": row.name, **record}


def _prepare(options, formats=OUTPUT_FORMATS):
    """The predictor; what is wrong with the files is found before it is loaded."""
    check_inputs(options.paths)
    _check_output(options)
    output_format(options, formats)
    use_device(options.device)
    predictor = Predictor.load(
        options.model,
        engine=options.engine,
        precision=options.precision,
        threads=options.threads,
        device=options.device,
    )
    with _user_words([]):
        predictor.check_length(options.max_seq_length)
    return predictor


def _check_output(options):
    """Raise `InputError` where the output would replace an input."""
    for path in options.paths:
        are_files = STANDARD not in (path, options.output) and Path(options.output).exists()
        if are_files and os.path.samefile(path, options.output):
            raise InputError(f"--output {options.output}: is an input; give another file")


def _write(options, work, unit):
    """Read, answer and write all rows."""
    as_table = output_format(options, OUTPUT_FORMATS) == "tsv"
    number = 0
    with open_text(options.output) as handle:
        if as_table and work.header:
            handle.write(tab_line(work.header))
        for rows in _chunks(options, work.fields, work.default, unit):
            with _user_words(rows):
                records = list(work.answer(rows))
            for record in records:
                number += 1
                if not as_table:
                    handle.write(json_line(record))
                    continue
                for cells in work.table(str(record.get("id", number)), record):
                    handle.write(tab_line(cells))
            handle.flush()


def _chunks(options, fields, default, unit, token_vectors=False):
    """Lists of rows that are answered together, with a progress bar."""
    given = options.input_format
    total = count_lines(options.paths, given, default)
    limit = TOKEN_VECTORS_AT_ONCE if token_vectors else CHARACTERS_AT_ONCE
    rows, characters = [], 0
    # The answers to a few texts on a terminal are their own progress.
    with progress_bar("answered", total, unit=unit, delay=2) as bar:
        for row in read_rows(options.paths, fields, given, default):
            rows.append(row)
            characters += sum(len(text) for text in row.texts if text is not None)
            if len(rows) == ROWS_AT_ONCE or characters >= limit:
                yield rows
                bar.update(len(rows))
                rows, characters = [], 0
        if rows:
            yield rows
            bar.update(len(rows))
        bar.total = bar.n  # without headers


@contextlib.contextmanager
def _user_words(rows):
    """Name files and options in errors that name items of lists and arguments."""
    try:
        yield
    except InputError as error:
        message = str(error).replace("max_seq_len", "--max-seq-length")
        message = re.sub(r"\btop_k\b", "--top-k", message)
        found = re.match(r"(?:texts|data|questions)\[([0-9]+)\]", message)
        if found is not None:
            message = rows[int(found[1])].place + message[found.end() :]
        raise InputError(message) from None

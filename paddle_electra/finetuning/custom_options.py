"""Options of ``--task custom``, a task of one's own (imports no paddle)."""

import dataclasses

from ..config import option

KINDS = ("seq-cls", "pair-cls", "token-cls", "qa")
FILES = ("train", "dev", "test")
COLUMNS = {"text_column": "text_a", "text_pair_column": "text_b", "label_column": "label"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class CustomOptions:
    """What a task of one's own consists of; all None, or empty, for a task of the registry."""

    kind: str | None = option(
        None,
        "Custom task: a label for a text, for a pair of texts, for every word, or answers to "
        "questions on a text.",
        choices=KINDS,
    )
    train: str | None = option(
        None,
        "Custom task: file of the training examples; .tsv, .csv, .jsonl, for token-cls also "
        "CoNLL's layout, for qa also SQuAD's JSON.",
    )
    dev: str | None = option(None, "Custom task: file to score after each epoch. None: no scores.")
    test: str | None = option(
        None, "Custom task: file to predict, and to score if it has labels, at the end."
    )
    labels: tuple[str, ...] = option(
        (),
        "Custom task: its labels, with blanks or commas between them, or a file with one a line. "
        "None given: those of the training file.",
        numbers=True,
    )
    text_column: str | None = option(
        None,
        "Custom task: column of the text: its name, its JSON key, or in a file without a header "
        "its number from 1. None: a column with a usual name, such as text or tokens.",
    )
    text_pair_column: str | None = option(
        None, "Custom task: column of the second text. None: one called text_b, sentence2, ..."
    )
    label_column: str | None = option(
        None, "Custom task: column of the label, or labels. None: one called label, labels, ..."
    )

"""Options of the data commands; no paddle here, so that --help is quick."""

import dataclasses
from typing import ClassVar

from ..config import option, seed_option


@dataclasses.dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """Options of ``paddle-electra data build``."""

    input: tuple[str, ...] = option(
        help="text files or folders of them: .txt, .gz, .jsonl, .jsonl.gz; UTF-8, a sentence or "
        "paragraph a line, a blank line between documents"
    )
    vocab: str = option(help="vocabulary file, one token a line")
    output: str = option(help="folder of the shards; an unfinished build there is continued")
    processes: int = option(0, "worker processes; 0 for one a core; the shards do not depend on it")
    part: str = option(
        "1/1",
        "build only the i-th of n parts of the shards, as 2/3: on several machines with the same "
        "files, each one part, which `data merge` puts together",
    )
    max_seq_length: int = option(128, "longest example in tokens, [CLS] and [SEP] counted")
    segments: str = option(
        "google",
        "how lines are dealt to the two segments: as Google's code does, or as HFL's older fork.",
        ("google", "hfl"),
    )
    split_sentences: bool = option(True, "cut lines into sentences; off: lines stay as they are")
    blanks_separate_docs: bool = option(
        True, "a blank line ends a document; off: only files and JSON objects do"
    )
    drop_duplicates: bool = option(
        False, "keep of documents with the same lines the first only, in the order of the corpus"
    )
    segmenter: str = option(
        "none",
        "what cuts text into words, to mask whole words by: none, jieba, or MODULE:FUNCTION, which "
        "gives for a text the list of its words, with nothing left out",
    )
    do_lower_case: bool = option(True, "lower-case and strip accents, as the published models")
    text_key: str = option("text", "key of the text in the objects of .jsonl files")
    seed: int = seed_option(42, "of all that is random in the examples")
    overwrite: bool = option(False, "delete a build with other settings in the output folder")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MergeOptions:
    """Options of ``paddle-electra data merge``."""

    input: tuple[str, ...] = option(
        help="folders that `data build --part` made, all parts of one build, in any order"
    )
    output: str = option(help="folder of the whole; files are linked where the disk allows it")


@dataclasses.dataclass(frozen=True, kw_only=True)
class FromTfrecordsOptions:
    """Options of ``paddle-electra data from-tfrecords``."""

    input: tuple[str, ...] = option(
        help="pretrain_data.tfrecord* files of the original's build_pretraining_dataset.py, "
        "patterns such as 'data/*.tfrecord*', or folders of them"
    )
    vocab: str = option(help="the vocabulary file that the records were made with")
    output: str = option(help="folder of the shards; an unfinished conversion there is continued")
    do_lower_case: bool = option(True, "whether the records' text was lower-cased")
    overwrite: bool = option(False, "delete other shards in the output folder")


@dataclasses.dataclass(frozen=True, kw_only=True)
class OriginalBuildOptions:
    """The flags of the original's ``build_pretraining_dataset.py``."""

    ALIASES: ClassVar = {"no_lower_case": "no_do_lower_case"}

    corpus_dir: str = option(
        help="folder of text files, a sentence a line, a blank line between documents; all are "
        "read, whatever their names (but names that begin with a dot)"
    )
    vocab_file: str = option(help="vocabulary file, one token a line")
    output_dir: str = option(help="folder of the shards; an unfinished build there is continued")
    max_seq_length: int = option(128, "longest example in tokens, [CLS] and [SEP] counted")
    num_processes: int = option(1, "worker processes; the shards do not depend on it", least=1)
    blanks_separate_docs: bool = option(
        True, "whether a blank line ends a document; false: only files do"
    )
    do_lower_case: bool = option(True, "lower-case and strip accents; --no-lower-case: do not")
    segments: str = option(
        "google",
        "not in the original: how lines are dealt to the two segments, as Google's code does, or "
        "as HFL's fork",
        ("google", "hfl"),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class PreviewOptions:
    """Options of ``paddle-electra data preview``."""

    data: str = option(help="folder of shards made by `paddle-electra data build`")
    number: int = option(5, "examples to print, drawn at random")
    seed: int = seed_option(42, "of the draw")

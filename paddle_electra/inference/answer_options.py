"""Options of the commands that answer for files of texts; imports no paddle."""

import dataclasses

from ..config import option

INPUT_FORMATS = ("jsonl", "tsv", "csv", "text")
OUTPUT_FORMATS = ("jsonl", "tsv")


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileOptions:
    """What all of these commands take."""

    model: str = option(help="a model of any supported format, or the name chinese-electra-tiny")
    input: tuple[str, ...] = option(
        (), "files to read one after the other; - or none is standard input"
    )
    output: str = option("-", "file to write, put in place when all is done; - is standard output")
    input_format: str | None = option(
        None,
        "how the input is written: JSON lines, columns separated by tabs or commas, or a text a "
        "line; none: by the file's ending, elsewhere a text a line (for pairs tsv, for questions "
        "jsonl)",
        choices=INPUT_FORMATS,
    )
    output_format: str | None = option(
        None,
        "JSON lines or columns separated by tabs; none: by the output's ending, else jsonl",
        choices=OUTPUT_FORMATS,
    )
    batch_size: int | None = option(
        None, "most texts per pass through the network; none: as many as 2,048 tokens hold", least=1
    )
    max_seq_length: int | None = option(
        None, "tokens per text, the special ones counted; none: those of the training, else 128"
    )
    engine: str = option(
        "auto",
        "what runs the network: a static graph, or eager mode, the reference; auto: static where "
        "it works",
        choices=("auto", "static", "eager"),
    )
    precision: str = option(
        "auto",
        "bfloat16 is faster on processors that have it, and changes the third digit; auto: float32 "
        "unless the environment variable PADDLE_ELECTRA_PRECISION says bfloat16",
        choices=("auto", "float32", "bfloat16"),
    )
    threads: int | None = option(
        None,
        "threads of the static graph on a processor; none: OMP_NUM_THREADS, else one a core",
        least=1,
    )
    device: str | None = option(None, "cpu, gpu or gpu:1; none: a GPU if there is one")

    @property
    def paths(self):
        """The input's files, "-" for standard input."""
        return self.input or ("-",)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextOptions(FileOptions):
    """Of those that read texts."""

    text_column: str | None = option(
        None,
        "name of the column or key of the text, or its number from 1 in a file without a header; "
        "none: the name that fine-tuning was given, else text, text_a, sentence and the like",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairOptions(TextOptions):
    """Of those that read texts or pairs."""

    text_pair_column: str | None = option(
        None,
        "the same of the second text of a pair; none: the name that fine-tuning was given, else "
        "text_b, sentence2 and the like",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictOptions(PairOptions):
    """Options of ``paddle-electra predict``.  Texts longer than --max-seq-length are cut, but read
    in overlapping stretches for tagging."""

    return_prob: bool = option(False, "write the probabilities too")


@dataclasses.dataclass(frozen=True, kw_only=True)
class EmbedOptions(PairOptions):
    """Options of ``paddle-electra embed``; an --output named .npy gets one float32 array."""

    tokens: bool = option(False, "write the tokens and the vector of each, too")


@dataclasses.dataclass(frozen=True, kw_only=True)
class FillMaskOptions(TextOptions):
    """Options of ``paddle-electra fill-mask``."""

    top_k: int = option(5, "guesses for each [MASK]", least=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectOptions(TextOptions):
    """Options of ``paddle-electra detect``."""

    threshold: float = option(
        0.5, "least probability of having been replaced of what is suspicious", least=0, most=1
    )
    top_k: int = option(3, "suggestions for each suspicious token; 0 for none", least=0)
    return_prob: bool = option(False, "write the probability of every character too")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnswerOptions(FileOptions):
    """Options of ``paddle-electra answer``."""

    n_best: int = option(5, "most answers to each question", least=1)
    question_column: str | None = option(
        None,
        "name of the column or key of the question, or its number from 1 in a file without a "
        "header; none: question or query",
    )
    context_column: str | None = option(
        None, "the same of the text that holds the answer; none: context, passage or paragraph"
    )

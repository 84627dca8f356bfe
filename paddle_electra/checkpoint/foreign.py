"""What the readers of other programs' checkpoints share: halves, sizes, vocabulary."""

from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..files import read_json
from ..modeling.config import SIZES
from . import mapping, names, sizes
from .native import VOCAB, Checkpoint, with_embeddings
from .tensors import lazy, same_bits

TOKENIZER_CONFIG = "tokenizer_config.json"


class Half(NamedTuple):
    """One half of a model in a file of another format.

    Attributes:
        kind: "discriminator", "generator" or "bert".
        file: the `LazyTensors` it is in, by the format's names.
        sizes: dict of `sizes.SIZE_KEYS`.
        stated: what a config said, see `sizes.check_config`.
        headless: there is no head, only the encoder.
    """

    kind: str
    file: object
    sizes: dict
    stated: dict
    headless: bool


def read_half(file, kind, column, config, config_source):
    """A `Half` of a file.

    Args:
        config: the parsed config that goes with it, or None.
        config_source: the config's file, for messages.
    Raises:
        InputError: missing tensors, or a config that disagrees with them.
    """
    stated = {} if config is None else sizes.check_config(config, config_source)
    found = sizes.infer(file.specs, kind, column, file.source)
    found["num_attention_heads"] = sizes.number_of_heads(
        found[names.HIDDEN], kind == "generator", stated, config_source
    )
    sizes.check_stated(stated, found, config_source)
    return Half(kind, file, found, stated, not mapping.has_half(file.specs, kind, column))


def assemble(column, main, generator, vocab, source, tied=None, lower_case=None):
    """A `native.Checkpoint` of the halves.

    Args:
        main: the discriminator's or BERT's `Half`, or None; generator: the generator's or None.
        vocab: its vocabulary file.
        tied: are the generator's embeddings the discriminator's?  None: compare them.
        lower_case: what a tokenizer's config says of ``do_lower_case``; None for nothing.
    """
    stated = {**(generator.stated if generator else {}), **(main.stated if main else {})}
    if generator and tied:
        _check_no_embeddings(generator.file, column, source)
    if tied is None:
        tied = bool(main and generator) and _same_embeddings(main.file, generator.file, column)
    try:
        config = sizes.combine(
            main.sizes if main else None,
            generator.sizes if generator else None,
            stated,
            tied_embeddings=tied if generator else True,
            do_lower_case=True if lower_case is None else lower_case,
            pooler=main is not None and main.kind == "bert" and _has_pooler(main.file, column),
        )
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    halves, used, files = {}, {}, {}
    for half, of in ((main, config), (generator, config.generator)):
        if half is None:
            continue
        rows = names.model_rows(half.kind, column, of)
        files[id(half.file)] = half.file
        used.setdefault(id(half.file), set()).update(name for row in rows for name in row.names)
        rows = [row for row in rows if not _absent(row, half, tied, config)]
        halves[half.kind] = mapping.Imported(half.file, rows, of)
    left = [name for key, file in files.items() for name in file if name not in used[key]]
    _check_whole(main, generator, left, column, source)
    for name in left:
        if "embeddings_project" in name and "/adam_" not in name:
            raise InputError(
                f"{source}: tensor {name!r} has no place: the embeddings are as wide as the layers"
            )
    return Checkpoint(
        config,
        find_vocab(vocab),
        halves.get("discriminator", halves.get("bert")),
        halves.get("generator"),
        None,
        str(source),
        column,
        tuple(left),
        tuple(half.kind for half in (main, generator) if half and _is_guessed(half)),
        main is not None and main.kind == "bert" and not config.pooler,
    )


def _check_no_embeddings(file, column, source):
    """A file without the generator's word embeddings must not have the rest of its embeddings."""
    for row in names.rows("generator", column):
        if row.native.startswith(names.EMBEDDINGS_PREFIX):
            for name in row.names:
                if name in file:
                    raise InputError(
                        f"{source}: tensor {name!r} is there, but the generator's word embeddings "
                        f"are not"
                    )


def _check_whole(main, generator, left, column, source):
    """Where one file holds both halves, neither may come without its head."""
    if main and generator and main.file is generator.file and main.headless:
        raise InputError(f"{source}: the discriminator's head is missing, the generator is there")
    scopes = {half: names.SCOPES[half][names.COLUMNS.index(column)] for half in names.HALVES}
    if generator is None and scopes["generator"] != scopes["discriminator"]:
        for name in left:
            if name.startswith(scopes["generator"]) and "/adam_" not in name:
                raise InputError(
                    f"{source}: tensor {name!r} is there, but the generator's head is missing"
                )


def _is_guessed(half):
    """Is the number of heads neither stated nor that of a named size?"""
    column = 4 if half.kind == "generator" else 1
    named = half.sizes[names.HIDDEN] in {size[column] for size in SIZES.values()}
    return "num_attention_heads" not in half.stated and not named


def _absent(row, half, tied, config):
    if row.native.startswith("head."):
        return half.headless
    if row.native.startswith("electra.pooler."):
        return not config.pooler
    return half.kind == "generator" and tied and row.native.startswith(names.EMBEDDINGS_PREFIX)


def _has_pooler(file, column):
    rows = names.rows("bert", column)
    return any(name in file for row in rows if "pooler" in row.native for name in row.names)


def _same_embeddings(one, other, column):
    for row in names.rows("discriminator", column):
        if not row.native.startswith(names.EMBEDDINGS_PREFIX):
            continue
        (name,) = row.names
        if name not in one or name not in other or not same_bits(one[name], other[name]):
            return False
    return True


def find_vocab(places):
    """The vocabulary file in the first of these folders that has one.

    Raises:
        InputError: none has.
    """
    for folder in places:
        if (Path(folder) / VOCAB).is_file():
            return Path(folder) / VOCAB
    raise InputError(f"{places[0]}: {VOCAB} is missing; put the model's vocabulary there")


def read_lower_case(folders):
    """``do_lower_case`` of the first tokenizer config in these folders; None when none says."""
    for folder in folders:
        path = Path(folder) / TOKENIZER_CONFIG
        if not path.is_file():
            continue
        values = read_json(path)
        answer = values.get("do_lower_case") if isinstance(values, dict) else None
        if isinstance(answer, bool):
            return answer
    return None


def config_values(config, kind):
    """The keys that Google's, Hugging Face's and PaddleNLP's configs share, of one half.

    Args:
        config: the `ElectraConfig` of the pair.
        kind: "discriminator", "generator" or "bert".
    """
    of = config.generator if kind == "generator" else config
    values = {key: getattr(of, key) for key in sizes.SIZE_KEYS}
    if kind == "bert":
        del values[names.EMBED]
    return {
        **values,
        "hidden_act": "gelu",
        "hidden_dropout_prob": of.hidden_dropout_prob,
        "attention_probs_dropout_prob": of.attention_probs_dropout_prob,
        "initializer_range": of.initializer_range,
        "layer_norm_eps": of.layer_norm_eps,
    }


def export_half(checkpoint, kind, column, embeddings):
    """One half of a checkpoint by a format's names.

    Args:
        checkpoint: a `native.Checkpoint`.
        kind: "discriminator" or "generator"; a discriminator with a pooler is BERT's encoder.
        embeddings: whether a generator brings its embeddings, its own or the shared ones.
    """
    config = checkpoint.config
    if kind == "generator":
        half, of = checkpoint.generator, config.generator
        if embeddings and config.tied_embeddings:
            half = with_embeddings(half, checkpoint.discriminator)
    else:
        half, of = checkpoint.discriminator, config
        kind = family(config)
    rows = names.model_rows(kind, column, of)
    if kind == "generator" and not embeddings:
        rows = [row for row in rows if not row.native.startswith(names.EMBEDDINGS_PREFIX)]
    headless = not any(name.startswith("head.") for name in half)
    return mapping.Exported(lazy(half), rows, optional=("head.",) if headless else ())


def family(config):
    """ "bert" for an encoder with BERT's pooler, else "discriminator": the table's column set."""
    return "bert" if config.pooler else "discriminator"

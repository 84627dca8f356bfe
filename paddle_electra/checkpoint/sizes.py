"""The sizes of a model, from the shapes of its tensors, checked against what a config says."""

import re

from ..errors import InputError
from ..modeling.config import SIZES, ElectraConfig
from . import names

# Keys that Google's, Hugging Face's and PaddleNLP's configs and ours have in common.
SIZE_KEYS = (
    names.VOCAB,
    names.EMBED,
    names.HIDDEN,
    names.INNER,
    "num_hidden_layers",
    "num_attention_heads",
    names.POSITIONS,
    names.TYPES,
)
_SHARED = (names.VOCAB, names.EMBED, names.POSITIONS, names.TYPES)
_HALF = (names.HIDDEN, names.INNER, "num_hidden_layers", "num_attention_heads")
_NUMBERS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "initializer_range",
    "layer_norm_eps",
)
_GELU = ("gelu", "gelu_python")  # both names of the exact one
_MOST_LAYERS = 1000  # so that names without tensors cannot make a table of millions


def infer(specs, half, column, source):
    """The sizes of one half from its tensors' shapes.

    Args:
        specs: {name in the format: `tensors.Spec`}.
        half: "discriminator", "generator" or "bert"; column: the format.
        source: the file, for messages.
    Returns:
        dict of `SIZE_KEYS` without the number of heads, which no shape tells.
    Raises:
        InputError: a tensor without which the sizes are unknown, or two that disagree.
    """
    rows = names.rows(half, column)
    layers = _count_layers(specs, rows, source)
    sizes, said_by = {"num_hidden_layers": layers}, {}
    for row in rows:
        for name in row.names:
            for layer in range(layers if "{}" in name else 1):
                full = name.replace("{}", str(layer))
                if full in specs:
                    _learn(sizes, said_by, full, specs[full].shape, row, source)
    for key in (*_SHARED, names.HIDDEN, names.INNER):
        if key not in sizes:
            first = next(n for row in rows if key in row.sizes for n in row.names)
            raise InputError(
                f"{source}: tensor {first.replace('{}', '0')!r} is missing, so this is not a whole "
                f"{half} in {column} names"
            )
    return sizes


def _count_layers(specs, rows, source):
    """How many layers the names number; they must be 0, 1, 2, ... without a hole."""
    layered = next(name for row in rows for name in row.names if "{}" in name)
    start = layered.partition("{}")[0]
    numbers = {match[1] for name in specs if (match := re.match(rf"{start}(\d+)[./]", name))}
    if len(numbers) > _MOST_LAYERS:
        raise InputError(
            f"{source}: its names number {len(numbers):,} layers; no model has that many"
        )
    for layer in range(len(numbers)):
        if str(layer) not in numbers:
            raise InputError(
                f"{source}: layer {layer} is missing, but there is a layer {max(numbers, key=int)}"
            )
    return len(numbers)


def _learn(sizes, said_by, name, shape, row, source):
    shape = tuple(reversed(shape)) if row.transposed else tuple(shape)
    if len(shape) != len(row.sizes):
        kind = ("number", "vector", "matrix")[len(row.sizes)]
        raise InputError(f"{source}: tensor {name!r} has shape {list(shape)}, expected a {kind}")
    for key, size in zip(row.sizes, shape, strict=True):
        known = sizes.setdefault(key, size) if isinstance(key, str) else key
        if known != size or size < 1:
            other = f", {said_by[key]!r} says {known}" if key in said_by else f", expected {known}"
            raise InputError(
                f"{source}: tensor {name!r} has shape {list(shape)}: {key} would be {size}{other}"
            )
        said_by.setdefault(key, name)


def number_of_heads(hidden, generator, stated, source):
    """Heads of an encoder: what its config says, else the named size's, else hidden / 64.

    Raises:
        InputError: they do not divide the hidden size.
    """
    heads = stated.get("num_attention_heads")
    if heads is None:
        known = {} if generator else {size[1]: size[2] for size in SIZES.values()}
        heads = known.get(hidden, max(1, hidden // 64))
    if hidden % heads:
        raise InputError(
            f"{source}: needs a num_attention_heads that divides the hidden size {hidden} of the "
            f"tensors; {heads} does not"
        )
    return heads


def check_stated(stated, sizes, source):
    """A config must say what the tensors say.  Raises `InputError` naming key and values."""
    for key in SIZE_KEYS:
        if key in stated and stated[key] != sizes[key]:
            raise InputError(f"{source}: {key} is {stated[key]}, but the tensors say {sizes[key]}")


def check_config(stated, source):
    """The parts of another program's config that this one knows, checked.

    Args:
        stated: the parsed JSON.
    Returns:
        dict of `SIZE_KEYS` and other fields of `ElectraConfig`, those that were there.
    Raises:
        InputError: a value of a wrong kind, or a model that computes something else, naming the
            key.
    """
    if not isinstance(stated, dict):
        raise InputError(f"{source}: expected a JSON object with the sizes of a model")
    for key in SIZE_KEYS:
        if key in stated and (type(stated[key]) is not int or stated[key] < 1):
            raise InputError(f"{source}: {key}: expected a whole number, got {stated[key]!r}")
    for key in _NUMBERS:
        value = stated.get(key, 0.0)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
            raise InputError(f"{source}: {key}: expected a number from 0 to 1, got {value!r}")
    for key, fits in (
        ("hidden_act", _GELU),
        ("position_embedding_type", ("absolute",)),
        ("model_type", ("electra", "bert")),
    ):
        if stated.get(key, fits[0]) not in fits:
            hint = ""
            if stated[key] == "roberta":
                hint = (
                    "; HFL's RoBERTa models are BERT models, whose positions begin at 0 and not "
                    "behind the padding, and say bert"
                )
            raise InputError(
                f"{source}: {key} is {stated[key]!r}, expected {' or '.join(fits)}{hint}"
            )
    known = {key: stated[key] for key in SIZE_KEYS if key in stated}
    return known | {key: float(stated[key]) for key in _NUMBERS if key in stated}


def combine(discriminator, generator, stated, **fields):
    """The `ElectraConfig` of a model from the sizes of its halves.

    Args:
        discriminator, generator: dicts of `SIZE_KEYS`; one may be None, its sizes are then those
            that go with the other in the table of named sizes, or else follow Google's rule (a
            generator of a quarter of the width).
        stated: what configs said beside sizes; see `check_config`.
        fields: further fields of `ElectraConfig`.
    Raises:
        InputError: the halves are not of one model.
    """
    main = discriminator or _discriminator_for(generator)
    other = generator or _generator_for(main)
    for key in _SHARED:
        if main[key] != other[key]:
            raise InputError(
                f"{key} is {main[key]} in the discriminator and {other[key]} in the generator: "
                f"they do not belong together"
            )
    values = {key: stated[key] for key in _NUMBERS if key in stated}
    values |= {key: main[key] for key in (*_SHARED, *_HALF)}
    values |= {f"generator_{key}": other[key] for key in _HALF}
    return ElectraConfig(**values, **fields)


def named_size(config):
    """The name of the size that a configuration has, or None."""
    wanted = (
        config.num_hidden_layers,
        config.hidden_size,
        config.num_attention_heads,
        config.embedding_size,
    )
    return next((name for name, row in SIZES.items() if row[:4] == wanted), None)


def _generator_for(main):
    wanted = tuple(main[key] for key in ("num_hidden_layers", names.HIDDEN))
    hidden = {row[:2]: row[4] for row in SIZES.values()}.get(
        wanted, max(1, main[names.HIDDEN] // 4)
    )
    return {
        **main,
        names.HIDDEN: hidden,
        names.INNER: 4 * hidden,
        "num_attention_heads": _dividing(max(1, hidden // 64), hidden),
    }


def _dividing(heads, hidden):
    return heads if hidden % heads == 0 else 1


def _discriminator_for(generator):
    for layers, hidden, heads, embedding, narrow in SIZES.values():
        if (layers, embedding, narrow) == (
            generator["num_hidden_layers"],
            generator[names.EMBED],
            generator[names.HIDDEN],
        ):
            sizes = {names.HIDDEN: hidden, names.INNER: 4 * hidden, "num_attention_heads": heads}
            return {**generator, **sizes}
    return generator

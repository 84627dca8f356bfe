"""Sizes of both networks, and the one table of named sizes."""

import dataclasses

from ..errors import InputError


@dataclasses.dataclass(frozen=True, kw_only=True)
class ElectraConfig:
    """The shape of a discriminator and its generator.  Saved as ``config.json``.

    The two networks share the embedding tables (width ``embedding_size``) when
    ``tied_embeddings``; each has its own projection and encoder.
    """

    vocab_size: int
    embedding_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    generator_hidden_size: int
    generator_num_hidden_layers: int
    generator_num_attention_heads: int
    generator_intermediate_size: int
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    tied_embeddings: bool = True
    do_lower_case: bool = True
    pooler: bool = False  # BERT's: a dense layer and tanh on [CLS]; ELECTRA has none

    def __post_init__(self):
        for part in ("", "generator_"):
            hidden = getattr(self, f"{part}hidden_size")
            heads = getattr(self, f"{part}num_attention_heads")
            if heads < 1 or hidden % heads:
                raise InputError(
                    f"{part}hidden_size {hidden} is not a multiple of "
                    f"{part}num_attention_heads {heads}"
                )

    @classmethod
    def from_size(cls, size, vocab_size, **changes):
        """The configuration of a named size, e.g. ``from_size("small", 21128)``."""
        if size not in SIZES:
            raise InputError(f"unknown model size {size!r}; there are: {', '.join(SIZES)}")
        layers, hidden, heads, embedding, generator_hidden = SIZES[size]
        values = {
            "vocab_size": vocab_size,
            "embedding_size": embedding,
            "hidden_size": hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "intermediate_size": 4 * hidden,
            "generator_hidden_size": generator_hidden,
            "generator_num_hidden_layers": layers,
            "generator_num_attention_heads": max(1, generator_hidden // 64),
            "generator_intermediate_size": 4 * generator_hidden,
        }
        return cls(**{**values, **changes})

    @classmethod
    def from_dict(cls, values, source="config.json"):
        """Build from a dict such as a parsed ``config.json``.

        Raises:
            InputError: a missing or unknown key or a value of a wrong type, naming it and
                ``source``.
        """
        fields = {field.name: field for field in dataclasses.fields(cls)}
        if not isinstance(values, dict):
            raise InputError(f"{source}: expected a JSON object with the sizes of a model")
        for key in values:
            if key not in fields:
                raise InputError(f"{source}: unknown key {key!r}")
            _check_type(fields[key], values[key], source)
        for name, field in fields.items():
            if name not in values and field.default is dataclasses.MISSING:
                raise InputError(f"{source}: key {name!r} is missing")
        try:
            return cls(**values)
        except InputError as error:
            raise InputError(f"{source}: {error}") from None

    def to_dict(self):
        """A JSON-ready dict, the inverse of `from_dict`."""
        return dataclasses.asdict(self)

    def tied(self):
        """The same with embeddings shared by both halves."""
        return dataclasses.replace(self, tied_embeddings=True)

    def untied(self):
        """The same with embeddings of the generator's own."""
        return dataclasses.replace(self, tied_embeddings=False)

    @property
    def generator(self):
        """The generator's encoder seen as a configuration of its own."""
        return dataclasses.replace(
            self,
            hidden_size=self.generator_hidden_size,
            num_hidden_layers=self.generator_num_hidden_layers,
            num_attention_heads=self.generator_num_attention_heads,
            intermediate_size=self.generator_intermediate_size,
        )


def _check_type(field, value, source):
    """Every size is a whole number of at least 1; the other values are of their field's type."""
    kinds = {int: "a whole number of at least 1", float: "a number", bool: "true or false"}
    fits = type(value) is field.type or (field.type is float and type(value) is int)
    if not fits or (field.type is int and value < 1):
        raise InputError(f"{source}: {field.name}: expected {kinds[field.type]}, got {value!r}")


# layers, hidden, heads, embedding, generator hidden: HFL's four released sizes, and our tiny one.
SIZES = {
    "tiny": (4, 128, 2, 128, 64),
    "small": (12, 256, 4, 128, 64),
    "small-ex": (24, 256, 4, 256, 64),
    "base": (12, 768, 12, 768, 192),
    "large": (24, 1024, 16, 1024, 256),
}

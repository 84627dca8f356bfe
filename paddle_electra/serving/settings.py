"""Limits of a server; imports neither paddle nor flask."""

import dataclasses
import os
import re
import types
import typing

from ..errors import InputError

PREFIX = "ELECTRA_SERVING_"
# What Kubernetes sets for Services that happen to be called electra-serving or electra-serving-x.
_KUBERNETES = re.compile("_SERVICE_HOST$|_PORT(_|$)")


def setting(default, help, least=None, most=None):
    """A field as `config.option` makes it, which modules do not carry."""
    metadata = {"help": help, "choices": None, "least": least, "most": most}
    metadata |= {"positional": False, "numbers": False}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServingSettings:
    """Limits of a server and of its requests.

    In ``hub serving`` each comes from the environment variable ELECTRA_SERVING_ plus its name in
    capitals, or from ``{"init_args": {"serving": {...}}}`` of a ``--config`` file.
    """

    host: str | None = setting(None, "address to listen on; none: 0.0.0.0, as PaddleHub has it")
    max_items: int = setting(1000, "most items in a request's data", least=1)
    max_characters: int = setting(10_000, "most characters of one text", least=1)
    max_request_characters: int = setting(200_000, "most characters of a request", least=1)
    max_heavy_characters: int = setting(
        10_000, "most of a request for embeddings or detection, whose answers are large", least=1
    )
    max_answers: int = setting(100, "most that top_k and n_best may ask for", least=1)
    max_body_bytes: int = setting(1 << 21, "most bytes of a request's body", least=1)
    batch_items: int = setting(256, "most items of requests that are answered together", least=1)
    window_ms: float = setting(
        5.0,
        "milliseconds to wait, while requests keep coming, for more to be answered together",
        least=0,
    )
    queue: int = setting(
        128, "requests that may wait for their turn; more are told to come again", least=1
    )
    wait_seconds: float = setting(
        30.0,
        "seconds that a request may wait for its turn until it is told to come again",
        least=0.1,
        most=86_400,
    )
    threads: int = setting(
        256, "requests that a process reads and answers at once; more wait to be read", least=1
    )
    read_seconds: float = setting(
        30.0,
        "seconds without a byte after which a client that sends is given up",
        least=0.1,
        most=86_400,
    )

    def __post_init__(self):
        for field in dataclasses.fields(ServingSettings):
            _check(field, getattr(self, field.name), field.name)

    @classmethod
    def load(cls, given=None, environment=os.environ):
        """Settings from the environment, then from ``given``, a dict of field names.

        Raises:
            InputError: an unknown name or a wrong value; names the variable or the key.
        """
        fields = {field.name: field for field in dataclasses.fields(cls)}
        known = {name: PREFIX + name.upper() for name in fields}
        values = {}
        for variable, text in environment.items():
            if variable.startswith(PREFIX) and not _KUBERNETES.search(variable):
                names = [name for name in known if known[name] == variable]
                if not names:
                    raise InputError(f"{variable}: unknown; there are {', '.join(known.values())}")
                values[names[0]] = _convert(fields[names[0]], text, variable)
        if given is not None and not isinstance(given, dict):
            raise InputError(f"serving: expected an object of settings, got {given!r:.40}")
        for name, value in (given or {}).items():
            if name not in known:
                raise InputError(f"serving: unknown {name!r:.40}; there are {', '.join(known)}")
            values[name] = _convert(fields[name], value, f"serving: {name}")
        return cls(**values)


def _convert(field, value, source):
    kind = typing.get_type_hints(ServingSettings)[field.name]
    if isinstance(kind, types.UnionType):
        kind = typing.get_args(kind)[0]
    what = {int: "a whole number", float: "a number", str: "text"}[kind]
    try:
        if isinstance(value, str):
            found = kind(value) if value.strip() else _refuse()
        else:
            whole = isinstance(value, int) and not isinstance(value, bool)
            fits = whole or (kind is float and isinstance(value, float))
            found = kind(value) if fits and kind is not str else _refuse()
    except ValueError:
        raise InputError(f"{source}: expected {what}, got {value!r:.40}") from None
    _check(field, found, source)
    return found


def _check(field, value, source):
    least = field.metadata["least"]
    if least is not None and not least <= value < float("inf"):
        raise InputError(f"{source}: expected at least {least}, got {value}")
    most = field.metadata["most"]
    if most is not None and value > most:
        raise InputError(f"{source}: expected at most {most}, got {value}")


def _refuse():
    raise ValueError

"""Options: frozen dataclasses whose fields carry their own ``--help``.

A command's options are one dataclass, each field made with `option`.  Values come from the
defaults, then from ``--hparams`` (a JSON file or a JSON string) where the class has such a field,
then from ``--key value``; hyphens and underscores are alike.  An unknown key is an error that
names the nearest known one.

A class that takes the place of one of the original's may say what becomes of keys that it has no
field for: ``ALIASES`` {key: field}, ``NO_EFFECT`` {key: why}, and ``REFUSED`` {key: (the value that
changes nothing, what to do instead)}.  One with ``KEEPS_HPARAMS`` reads its ``hparams`` itself.
"""

import argparse
import dataclasses
import difflib
import inspect
import os
import sys
import types
import typing

from .errors import InputError
from .files import write_json
from .hparams import parse_json, read_hparams, shorten


def option(
    default=dataclasses.MISSING,
    help="",
    choices=None,
    least=None,
    most=None,
    positional=False,
    numbers=False,
):
    """A dataclass field.  ``help`` is its text in ``--help``; no ``default`` means required.

    Field types may be str, int, float, bool, dict (a JSON object), ``X | None``, or
    ``tuple[X, ...]`` (several values).
    ``least`` and ``most`` bound a number.  A text with ``numbers`` may be a whole number in JSON.
    A ``positional`` one may be given without its name, in the order of the fields; one with several
    values takes all that are left.
    """
    metadata = {
        "help": help,
        "choices": choices,
        "least": least,
        "most": most,
        "positional": positional,
        "numbers": numbers,
    }
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata, kw_only=True)
    return dataclasses.field(default=default, metadata=metadata, kw_only=True)


def seed_option(default, help):
    """The field of a seed: what both NumPy and paddle take."""
    return option(default, help, least=0, most=2**63 - 1)


def to_dict(options):
    """The options as a JSON-ready dict."""
    return dataclasses.asdict(options)


def save(options, path):
    """Write the settings beside the output they produced."""
    write_json(path, to_dict(options))


def from_dict(cls, values, source="options"):
    """Build ``cls`` from a dict.

    Args:
        values: field name (hyphens allowed) -> value; JSON types, or strings to be parsed.
        source: how messages call the place the values come from.
    Raises:
        InputError: unknown key (names the nearest), missing key, value of a wrong type or choice
            or outside its bounds.
    """
    return _build(cls, _convert_all(cls, values, source), source)


def _convert_all(cls, values, source):
    """{field name: value of its type}; ``values`` may lack fields."""
    fields = {field.name: field for field in dataclasses.fields(cls)}
    known = {}
    for key, value in values.items():
        name = _own_name(cls, key)
        if name in known:
            raise InputError(f"{source}: {name!r} is given twice, the second time as {key!r}")
        if name in _keys(cls, "NO_EFFECT"):
            note = f"{key} has no effect here: {_keys(cls, 'NO_EFFECT')[name]}"
            print(f"note: {source}: {note}", file=sys.stderr)
        elif name in _keys(cls, "REFUSED"):
            _refuse_foreign(cls, name, value, source)
        elif name not in fields:
            raise InputError(f"{source}: unknown {_describe_unknown(key, fields)}")
        else:
            known[name] = _convert(cls, fields[name], value, source)
    return known


def _own_name(cls, key):
    """The name of the field that a key means, or the key with underscores."""
    name = key.replace("-", "_")
    return _keys(cls, "ALIASES").get(name, name)


def _keys(cls, table):
    return getattr(cls, table, {})


def _refuse_foreign(cls, name, value, source):
    harmless, reason = _keys(cls, "REFUSED")[name]
    if value != harmless and str(value).lower() != str(harmless).lower():
        raise InputError(f"{source}: {name} {value!r} is not supported: {reason}")


def _build(cls, known, source):
    for field in dataclasses.fields(cls):
        if field.name not in known and field.default is dataclasses.MISSING:
            if _is_positional(field):
                help = field.metadata["help"]
                raise InputError(f"{source}: {field.name.upper()} is missing: {help}")
            raise InputError(f"{source}: {_flag(field)} is required")
    return cls(**known)


def _flag(field):
    return f"--{field.name.replace('_', '-')}"


def from_arguments(cls, arguments, prog, description=""):
    """Build ``cls`` from command-line arguments; ``--help`` prints every field and exits 0."""
    if any(argument in ("-h", "--help") for argument in arguments):
        _parser(cls, prog, description).print_help()
        raise SystemExit(0)
    source = prog.partition(" ")[2] or prog  # messages begin with the program's name anyway
    given = _split_arguments(cls, arguments, source)
    values = {}
    if "hparams" in given and not getattr(cls, "KEEPS_HPARAMS", False):
        text = given["hparams"]
        values = _convert_all(cls, read_hparams(text), f"--hparams {shorten(text)}")
    return _build(cls, {**values, **_convert_all(cls, given, source)}, source)


def _describe_unknown(key, fields):
    """What is wrong with a key, and the names that it may stand for.

    One that several names end with, as ``batch_size``, is half of any of them.
    """
    name = key.replace("-", "_")
    longer = [known for known in fields if known.endswith(f"_{name}")]
    if len(longer) > 1:
        near = difflib.get_close_matches(name, longer, n=2, cutoff=0)
        first, second = (_flag(fields[known]) for known in fields if known in near)
        hint = f"; did you mean {first} or {second}?"
    elif near := difflib.get_close_matches(name, list(fields), n=1, cutoff=0.5) or longer:
        hint = f"; did you mean {near[0]!r}?"
    else:
        hint = "; --help lists what there is"
    return f"hyperparameter or option {key!r}{hint}"


def _split_arguments(cls, arguments, source):
    """``--key value``, ``--key=value``, ``--flag``, ``--no-flag`` -> {field name: raw value}."""
    fields = {field.name: field for field in dataclasses.fields(cls)}
    given = {}
    position = 0
    while position < len(arguments):
        argument = arguments[position]
        position += 1
        if not argument.startswith("--"):
            _take_unnamed(cls, fields.values(), argument, given, source)
            continue
        key, equals, inline = argument[2:].partition("=")
        name = _own_name(cls, key)
        negated = name.startswith("no_") and name not in fields and name[3:] in fields
        if negated:
            name = name[3:]
        if name in fields:
            kind, several, _ = _type_of(cls, fields[name])
        elif name in _keys(cls, "NO_EFFECT") or name in _keys(cls, "REFUSED"):
            kind, several = str, False
        else:
            raise InputError(f"{source}: unknown {_describe_unknown(key, fields)}")
        values = [inline] if equals else []
        while not equals and not negated and position < len(arguments):
            if arguments[position].startswith("--") or (values and not several):
                break
            values.append(arguments[position])
            position += 1
        if kind is bool and not values:
            given[name] = not negated
        elif negated:
            reason = "takes no value" if kind is bool else "only switches have a --no- form"
            raise InputError(f"{source}: --{key}: {reason}")
        elif not values:
            raise InputError(f"{source}: --{key} needs a value")
        else:
            given[name] = values if several else values[0]
    return given


def _take_unnamed(cls, fields, argument, given, source):
    """Put a value without a name where it belongs: into the first positional field with room."""
    for field in filter(_is_positional, fields):
        if _type_of(cls, field)[1]:
            given.setdefault(field.name, []).append(argument)
            return
        if field.name not in given:
            given[field.name] = argument
            return
    raise InputError(f"{source}: unexpected argument {argument!r}; options start with --")


def _is_positional(field):
    return field.metadata.get("positional", False)


def _type_of(cls, field):
    """(scalar type, several values?, None allowed?) of a field."""
    hint = typing.get_type_hints(cls)[field.name]
    optional = False
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        members = [member for member in typing.get_args(hint) if member is not type(None)]
        optional = len(members) < len(typing.get_args(hint))
        hint = members[0]
    several = typing.get_origin(hint) is tuple
    if several:
        hint = typing.get_args(hint)[0]
    return hint, several, optional


def _convert(cls, field, value, source):
    kind, several, optional = _type_of(cls, field)
    if value is None and optional:
        return None
    if several:
        items = value if isinstance(value, (list, tuple)) else [value]
        return tuple(_scalar(kind, item, field, source) for item in items)
    if isinstance(value, str) and value.lower() == "none" and optional:
        return None
    return _scalar(kind, value, field, source)


def _scalar(kind, value, field, source):
    choices = field.metadata.get("choices")
    if field.metadata.get("numbers") and type(value) is int:
        value = str(value)
    try:
        converted = _parse(kind, value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(
            f"{source}: {_flag(field)}: expected {_TYPE_NAMES[kind]}, got {value!r}"
        ) from None
    if choices and converted not in choices:
        raise InputError(
            f"{source}: {_flag(field)}: {converted!r} is not one of {', '.join(map(str, choices))}"
        )
    if kind is str and not converted and field.default is dataclasses.MISSING:
        raise InputError(f"{source}: {_flag(field)} is empty")
    least, most = field.metadata.get("least"), field.metadata.get("most")
    if (least is not None and converted < least) or (most is not None and converted > most):
        limit = f"at least {least}" if most is None else f"from {least} to {most}"
        raise InputError(f"{source}: {_flag(field)} {converted}: expected {limit}")
    return converted


_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_TYPE_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a JSON object",
}


def _parse(kind, value):
    if kind is bool:
        if str(value).lower() not in _BOOLEANS:
            _refuse()
        return _BOOLEANS[str(value).lower()]
    if kind is dict:
        value = parse_json(value) if isinstance(value, str) else value
        return value if isinstance(value, dict) else _refuse()
    if isinstance(value, bool):
        _refuse()
    if kind is int:
        if isinstance(value, str):
            return int(value.replace("_", ""))
        if value != int(value):
            _refuse()
        return int(value)
    if kind is float:
        return float(value)
    return os.fspath(value) if isinstance(value, os.PathLike) else _text(value)


def _text(value):
    return value if isinstance(value, str) else _refuse()


def _refuse():
    raise ValueError


def _parser(cls, prog, description):
    """An argparse parser, used for the layout of ``--help`` only."""
    parser = argparse.ArgumentParser(
        prog=prog, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for field in _in_order_of_help(cls):
        kind, several, _ = _type_of(cls, field)
        required = field.default is dataclasses.MISSING
        shown = "required" if required else f"default: {_show(field.default)}"
        choices = field.metadata.get("choices")
        chosen = f"; one of {', '.join(map(str, choices))}" if choices else ""
        if kind is bool:
            shape = {"action": "store_true"}
        else:
            metavar = {str: "TEXT", int: "N", float: "X", dict: "JSON"}[kind]
            shape = {"metavar": metavar + (" ..." if several else "")}
        if _is_positional(field):
            shape["metavar"] = field.name.upper() + (" ..." if several else "")
        parser.add_argument(
            field.name if _is_positional(field) else _flag(field),
            **shape,
            help=f"{field.metadata.get('help', '')}{chosen} ({shown})".replace("%", "%%"),
        )
    return parser


def _in_order_of_help(cls):
    """What is required first, what a base class brings last."""
    own = inspect.get_annotations(cls)
    return sorted(
        dataclasses.fields(cls),
        key=lambda field: (field.default is not dataclasses.MISSING, field.name not in own),
    )


def _show(default):
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, tuple):
        return " ".join(map(str, default)) or "none"
    return "none" if default is None else default

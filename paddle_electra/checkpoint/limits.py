"""What a file of weights may claim before it is taken for damaged or hostile.

The bounds lie far above any ELECTRA or BERT model with its optimizer.  They keep what is built in
memory from a file's description small, whatever the description says, and names fit for a message.
"""

MOST_TENSORS = 20_000
MOST_AXES = 8
LONGEST_AXIS = 1 << 31
LONGEST_NAME = 400
_LONGEST_REASON = 300


def check_tensors(shapes):
    """Raise `ValueError` unless {name: shape} could be those of a model."""
    if len(shapes) > MOST_TENSORS:
        raise ValueError(f"it has {len(shapes):,} tensors; a model has some hundred")
    for name, shape in shapes.items():
        if len(name) > LONGEST_NAME or not name.isprintable():
            raise ValueError(f"a tensor is called {shown(name)}, which is no name")
        if len(shape) > MOST_AXES:
            raise ValueError(f"tensor {name!r} has {len(shape):,} axes")
        if any(size > LONGEST_AXIS for size in shape):
            raise ValueError(f"tensor {name!r} has an axis of {max(shape)}")


def shown(value):
    """Something out of a file for a message: one printable line, not too long."""
    if isinstance(value, (str, bytes)):
        return repr(value) if len(value) <= 60 else f"{value[:60]!r}..."
    if isinstance(value, int) and value.bit_length() <= 128:
        return repr(value)
    return f"a {type(value).__name__}"  # others may be nested without end


def reason(error):
    """What an exception says, as one printable line that is not too long."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    text = "".join(sign if sign.isprintable() else " " for sign in text[:_LONGEST_REASON])
    return text.strip()

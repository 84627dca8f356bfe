"""Words of messages."""


def extra(name):
    """How to install an extra of this package, which no package index has."""
    return f"pip install -c constraints.txt -e '.[{name}]' in the clone"


def plural(number, noun):
    """The noun as it stands behind a number: "shard" behind 1, else "shards"."""
    return noun if number == 1 else f"{noun}s"

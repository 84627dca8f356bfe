"""Words of messages."""


def plural(number, noun):
    """The noun as it stands behind a number: "shard" behind 1, else "shards"."""
    return noun if number == 1 else f"{noun}s"

"""Reading a checkpoint to its last byte, which `load` alone leaves for later."""

from paddle_electra import checkpoint


def load_whole(path):
    """The checkpoint at ``path`` with every array in memory."""
    loaded = checkpoint.load(path)
    halves = {}
    for half in ("discriminator", "generator"):
        tensors = getattr(loaded, half)
        halves[half] = None if tensors is None else dict(tensors.items())
    return loaded._replace(**halves)

"""What make_tiny.py does with texts before, and with weights after the pretraining."""

import dataclasses

import numpy as np

from paddle_electra.checkpoint.names import EMBEDDINGS_PREFIX, HALVES
from paddle_electra.files import atomic_write

# So small a model learns more from pretraining without dropout; fine-tuning wants it.
DROPOUT = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
SHRINK = 0.25  # a power of two: exact
_TABLES = [
    f"{EMBEDDINGS_PREFIX}{kind}_embeddings.weight" for kind in ("word", "position", "token_type")
]
_POSITIONS = _TABLES[1]
_OUTPUT_NORM = "head.layer_norm."


def sample_documents(source, target, every):
    """Write the first of every ``every`` documents of a text; blank lines stand between them."""
    number, inside = -1, False
    with source.open(encoding="utf-8") as lines, atomic_write(target) as chosen:
        for line in lines:
            blank = not line.strip()
            number += not blank and not inside
            inside = not blank
            if number % every == 0:
                chosen.write(line)


def repeat_positions(checkpoint, known):
    """The checkpoint with the embeddings of its first positions also in place of the later ones.

    A short stage of long examples teaches hundreds of new positions badly and unsettles the rest;
    from copies, neighbours are neighbours at once.

    Args:
        known: how many positions are taught; the first is [CLS]'s own and not repeated.
    """
    discriminator = dict(checkpoint.discriminator)
    table = np.array(discriminator[_POSITIONS])
    later = np.arange(known, len(table))
    table[known:] = table[1 + (later - known) % (known - 1)]
    discriminator[_POSITIONS] = table
    return checkpoint._replace(discriminator=discriminator)


def average(before, after, share):
    """The weights between two checkpoints of the same sizes, ``share`` of the way.

    Training on long examples alone costs some of what was learned on short ones; part of the way
    most of both is there (Wortsman et al. 2022, Robust fine-tuning of zero-shot models, section 3).
    """
    halves = {
        half: {
            name: (1 - share) * getattr(before, half)[name] + share * array
            for name, array in getattr(after, half).items()
        }
        for half in HALVES
    }
    return after._replace(**halves)


def for_fine_tuning(checkpoint):
    """A pretrained checkpoint as a start for fine-tuning: the same two functions, with dropout and
    with embeddings that can be taught, see `shrink_embeddings`."""
    config = dataclasses.replace(checkpoint.config, **DROPOUT)
    return shrink_embeddings(checkpoint._replace(config=config), SHRINK)


def shrink_embeddings(checkpoint, factor):
    """The same two functions, with word, position and segment embeddings ``factor`` times as large.

    A LayerNorm follows their sum, so their scale means nothing but how far an update of Adam,
    whose size does not depend on the weights', turns them: pretraining leaves them several times
    as large as random ones, and a short fine-tuning then hardly moves them.  Where the generator
    multiplies with the word embeddings, the LayerNorm before makes up for it.

    Args:
        checkpoint: a `Checkpoint` with tied embeddings.
    """
    discriminator, generator = dict(checkpoint.discriminator), dict(checkpoint.generator)
    for name in _TABLES:
        discriminator[name] = discriminator[name] * discriminator[name].dtype.type(factor)
    for name in generator:
        if name.startswith(_OUTPUT_NORM):
            generator[name] = generator[name] / generator[name].dtype.type(factor)
    return checkpoint._replace(discriminator=discriminator, generator=generator)

"""The generator's samples, and writing them into the discriminator's input."""

import paddle
import paddle.nn.functional as F


@paddle.no_grad()
def sample_ids(logits, shares, originals, uniforms, temperature=1.0, disallow_correct=False):
    """Draw a token for each slot from softmax(logits / temperature).

    The same distribution as the original's Gumbel noise (PARITY 10, `sample_from_softmax`), drawn
    by inverting the cumulative distribution: one random number a slot instead of one a word.

    Args:
        logits: (slots, vocabulary).
        shares: (slots, vocabulary) float32: softmax(logits), which the loss has computed anyway.
        originals: (slots,) int64, the tokens at the slots.
        uniforms: (slots,) float32 in [0, 1).
        disallow_correct: never draw the original token.
    Returns:
        (slots,) int64.
    """
    if temperature != 1.0:
        shares = F.softmax(logits.astype("float32") / temperature, axis=-1)
    if disallow_correct:
        shares = shares * (1.0 - F.one_hot(originals, shares.shape[-1]))
    ends = paddle.cumsum(shares, axis=-1)
    # Rounded sums end a little beside 1, and those without the correct token elsewhere.
    wanted = uniforms.unsqueeze(1) * ends[:, -1:]
    drawn = paddle.searchsorted(ends, wanted, right=True).squeeze(1)
    return paddle.clip(drawn, max=shares.shape[-1] - 1)


def replace_tokens(input_ids, flat_positions, new_ids):
    """Write ``new_ids`` into ``input_ids`` at ``flat_positions`` (original: `scatter_update`).

    A position named k times gets floor(mean of its k ids), as in the original; that happens only
    with masking="google" (PARITY 8).  The first token of a row, [CLS], is never replaced.

    Args:
        input_ids: (batch, length) or (tokens,) int64.
        flat_positions: (slots,) int64 into the flattened ids.
        new_ids: (slots,) int64.
    """
    flat = input_ids.flatten()
    width = [flat.shape[0]]
    index = flat_positions.unsqueeze(1)
    counts = paddle.scatter_nd(index, paddle.ones_like(new_ids), width)
    sums = paddle.scatter_nd(index, new_ids, width)
    means = sums // paddle.clip(counts, min=1)
    replaced = paddle.where(counts > 0, means, flat).reshape(input_ids.shape)
    return paddle.concat([input_ids[..., :1], replaced[..., 1:]], axis=-1)

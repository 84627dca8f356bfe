"""What generator and discriminator do to a sentence, for a person to read.

    3 guessed, 2 replaced: 1 found, 1 missed; 1 false alarm
    original       今天天气真好，我们去公园散步。
    generator      今天天[气→空]真[好]，我们去[公→花]园散步。
    discriminator  今天天[空 93% found]真好，我们去[花 21% missed]园[散 60% false alarm]步。

The generator guessed the tokens in brackets: where it hit on another one, both stand there.  The
discriminator's brackets hold how likely it thinks the token replaced; it believes so from 50 % on.
"""

from pathlib import Path

import numpy as np

from ..files import atomic_write
from ..text.detokenize import join_tokens
from ..text.vocab import CLS, SEP
from ..wording import plural

FOLDER = "samples"


def corrupted_sample(input_ids, replaced_ids, rtd_logits, masked_positions, tokenizer):
    """One example as four lines: a count, the original, the generator's, the discriminator's.

    [CLS], the last [SEP] and padding are left out unless there is something to say about them.

    Args:
        input_ids: int (n,) the original tokens; padding may follow.
        replaced_ids: int (n,) what the discriminator saw.
        rtd_logits: float (n,) the discriminator's logits of "replaced".
        masked_positions: int (k,) of the tokens that the generator guessed.
        tokenizer: an `ElectraTokenizer`.
    Returns:
        text without a line end at its end.
    """
    real = np.flatnonzero(np.asarray(input_ids) != tokenizer.pad_id)
    count = int(real[-1]) + 1 if len(real) else 0
    original = tokenizer.convert_ids_to_tokens(np.asarray(input_ids)[:count].tolist())
    seen = tokenizer.convert_ids_to_tokens(np.asarray(replaced_ids)[:count].tolist())
    guessed = sorted({int(position) for position in masked_positions if position < count})
    replaced = np.asarray(input_ids)[:count] != np.asarray(replaced_ids)[:count]
    logits = np.asarray(rtd_logits, np.float64)[:count]
    verdicts = _verdicts(seen, replaced, logits)
    guesses = {
        place: f"{original[place]}→{seen[place]}" if replaced[place] else seen[place]
        for place in guessed
    }
    return "\n".join(
        [
            _counts(len(guessed), replaced, logits > 0),
            f"original       {_readable(original, {})}",
            f"generator      {_readable(original, guesses)}",
            f"discriminator  {_readable(seen, verdicts)}",
        ]
    )


def write_samples(output, step, samples, log=None):
    """Write samples to ``OUTPUT/samples/step-00001000.txt``, and to VisualDL.

    Args:
        output: the folder of the run.
        samples: texts of `corrupted_sample`.
        log: a `TrainingLog`; its VisualDL shows them under "samples".
    Returns:
        the path.
    """
    text = "\n\n".join(samples) + "\n"
    path = Path(output) / FOLDER / f"step-{step:08d}.txt"
    with atomic_write(path) as handle:
        handle.write(text)
    if log is not None:
        log.write_text(step, "samples", text)
    return path


def _counts(guessed, replaced, believed):
    found, missed = int((replaced & believed).sum()), int((replaced & ~believed).sum())
    alarms = int((~replaced & believed).sum())
    return (
        f"{guessed} guessed, {found + missed} replaced: {found} found, {missed} missed; "
        f"{alarms} false {plural(alarms, 'alarm')}"
    )


def _verdicts(seen, replaced, logits):
    """{position: text} of the tokens that are replaced or believed to be."""
    believed = logits > 0
    shares = 100 / (1 + np.exp(-np.clip(logits, -60, 60)))
    verdicts = {}
    for place in np.flatnonzero(replaced | believed).tolist():
        word = "false alarm" if not replaced[place] else "found" if believed[place] else "missed"
        verdicts[place] = f"{seen[place]} {shares[place]:.0f}% {word}"
    return verdicts


def _readable(tokens, marks):
    """The text of tokens with ``marks`` {position: text} in brackets in place of theirs."""
    hidden = {0, len(tokens) - 1} - set(marks)
    text, previous = "", None
    for place, token in enumerate(tokens):
        if place in hidden and token in (CLS, SEP):
            continue
        gap = _gap(previous, token)
        text += gap + (f"[{marks[place]}]" if place in marks else _plain(token))
        previous = token
    return text.strip()


def _gap(previous, token):
    """The space, if any, that readable text has between two tokens."""
    if previous is None or token.startswith("##"):
        return ""
    if SEP in (previous, token):
        return " "
    joined = join_tokens([previous, token])
    return joined[len(join_tokens([previous])) : len(joined) - len(token)]


def _plain(token):
    return token[2:] if token.startswith("##") and len(token) > 2 else token

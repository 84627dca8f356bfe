"""``convert --check``: do the networks on both sides compute the same?

Ours runs on the weights as read; Hugging Face's and PaddleNLP's run on the folders themselves,
where ``transformers`` with ``torch``, or ``paddlenlp``, is installed.
"""

import dataclasses
import importlib.util

import numpy as np

from ..errors import InputError
from . import folders
from .names import ENCODER_PREFIX
from .native import load_weights, starting_with

_ROWS, _LONGEST, _SEED = 3, 48, 20


def batch_for(config):
    """A padded batch of random ids: dict of int64 arrays (3, at most 48)."""
    random = np.random.default_rng(_SEED)
    length = min(_LONGEST, config.max_position_embeddings)
    ids = random.integers(0, config.vocab_size, (_ROWS, length))
    mask = (np.arange(length) < np.array([[length], [length // 2], [3]])).astype(np.int64)
    types = ((np.arange(length) > length // 3) & (mask > 0)).astype(np.int64)
    return {
        "input_ids": ids,
        "token_type_ids": types % config.type_vocab_size,
        "attention_mask": mask,
    }


def our_outputs(checkpoint, batch):
    """{what: float32 array} of our networks: hidden states, logits, BERT's pooled output."""
    import paddle

    from ..modeling.electra import ElectraDiscriminator, ElectraGenerator, ElectraModel

    inputs = [paddle.to_tensor(batch[name]) for name in batch]
    config, found = checkpoint.config, {}
    with paddle.no_grad():
        if checkpoint.discriminator is not None:
            tensors, headless = checkpoint.discriminator, True
            headless = not any(name.startswith("head.") for name in tensors)
            if headless:
                encoder = ElectraModel(config)
                encoder_tensors = starting_with(tensors, ENCODER_PREFIX, strip=True)
                load_weights(encoder, encoder_tensors, checkpoint.source)
            else:
                network = ElectraDiscriminator(config)
                load_weights(network, tensors, checkpoint.source)
                encoder = network.electra
                network.eval()
                found["replaced-token logits"] = network(*inputs)
            encoder.eval()
            found["hidden states"] = encoder(*inputs)
            if config.pooler:
                found["pooled output"] = encoder.pool(found["hidden states"])
        if checkpoint.generator is not None:
            network = ElectraGenerator(config)
            tied = starting_with(checkpoint.discriminator or {}, "electra.embeddings.")
            own = dict(checkpoint.generator.items())
            load_weights(
                network, {**tied, **own} if config.tied_embeddings else own, checkpoint.source
            )
            network.eval()
            found["masked-token logits"] = network(*inputs)
    return {name: tensor.astype("float32").numpy() for name, tensor in found.items()}


def check_networks(before, after):
    """Lines of the report; see the module.

    Args:
        before, after: the checkpoints as read and as written.
    Raises:
        InputError: our own network gives another output from what was written.
    """
    batch = batch_for(before.config)
    ours = our_outputs(before, batch)
    lines = [_difference("ours, as read and as written", ours, our_outputs(after, batch))]
    for side in (before, after):
        if side.format == "huggingface":
            lines += _compare(side, ours, batch, "transformers", ("torch", "transformers"))
        elif side.format == "paddlenlp":
            lines += _compare(side, ours, batch, "paddlenlp", ("paddlenlp",))
    if "paddlenlp" in (before.format, after.format):
        other = before._replace(config=dataclasses.replace(before.config, layer_norm_eps=1e-5))
        title = f"ours with LayerNorm epsilon 1e-5 and {before.config.layer_norm_eps:g}"
        lines.append(_difference(title, ours, our_outputs(other, batch)))
    return lines


def _difference(title, ours, theirs):
    """A line with the largest absolute difference of each output."""
    if ours.keys() != theirs.keys():
        raise InputError(f"{title}: outputs {sorted(ours)} and {sorted(theirs)}")
    parts = [f"{name} {np.abs(ours[name] - theirs[name]).max():.1e}" for name in ours]
    return f"forward {title}: largest difference {', '.join(parts)}"


def _compare(checkpoint, ours, batch, title, packages):
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        return [f"forward {title}: not compared, {' and '.join(missing)} not installed"]
    run = {"transformers": _run_transformers, "paddlenlp": _run_paddlenlp}[title]
    theirs, notes = {}, []
    folders_of_halves = _folders_of(checkpoint)
    if not folders_of_halves:
        why = f"{checkpoint.source} is no folder that it loads"
        return [f"forward {title}: not compared, {why}"]
    for half, folder in folders_of_halves.items():
        outputs, note = run(half, folder, checkpoint.config, batch)
        theirs.update(outputs)
        notes += note
    # Theirs has a head, of random numbers, also where the file has none.
    theirs = {name: array for name, array in theirs.items() if name in ours}
    shared = {name: ours[name] for name in theirs}
    return [_difference(f"ours and {title}'s", shared, theirs), *notes]


def _folders_of(checkpoint):
    """{half: folder} that the checkpoint was read from, of halves whose files are called as the
    libraries call them; an archive and a name in a cache have none."""
    from pathlib import Path

    source = Path(checkpoint.source)
    if source.is_file():
        half = "generator" if checkpoint.discriminator is None else "discriminator"
        found = {half: source.parent} if source.name in folders.WEIGHT_FILES else {}
    else:
        found = folders.find_pair(source)
    halves = {half: place for half, place in found.items() if getattr(checkpoint, half) is not None}
    return {half: place for half, place in halves.items() if (place / folders.CONFIG).is_file()}


def _run_transformers(half, folder, config, batch):
    import torch
    import transformers

    inputs = {name: torch.from_numpy(array) for name, array in batch.items()}
    with torch.no_grad():
        if half == "generator":
            model = transformers.ElectraForMaskedLM.from_pretrained(folder).eval()
            return {"masked-token logits": model(**inputs).logits.numpy()}, []
        if config.pooler:
            output = transformers.BertModel.from_pretrained(folder).eval()(**inputs)
            pooled = output.pooler_output.numpy()
            return {"hidden states": output.last_hidden_state.numpy(), "pooled output": pooled}, []
        model = transformers.ElectraForPreTraining.from_pretrained(folder).eval()
        output = model(**inputs, output_hidden_states=True)
    found = {"hidden states": output.hidden_states[-1], "replaced-token logits": output.logits}
    return {name: tensor.numpy() for name, tensor in found.items()}, []


def _run_paddlenlp(half, folder, config, batch):
    import paddle
    from paddlenlp import transformers

    inputs = {name: paddle.to_tensor(array) for name, array in batch.items()}
    if not config.pooler:  # PaddleNLP's ELECTRA, but not its BERT, adds a mask as it is given
        inputs["attention_mask"] = (1.0 - inputs["attention_mask"].astype("float32")) * -1e4
    place, found = str(folder), {}
    if half == "generator":
        model = transformers.ElectraGenerator.from_pretrained(place)
    elif config.pooler:
        model = transformers.BertModel.from_pretrained(place)
    else:
        model = transformers.ElectraDiscriminator.from_pretrained(place)
    model.eval()
    norms = [layer for layer in model.sublayers() if isinstance(layer, paddle.nn.LayerNorm)]
    epsilons = sorted({layer._epsilon for layer in norms})
    for layer in norms:
        layer._epsilon = config.layer_norm_eps
    with paddle.no_grad():
        if half == "generator":
            output = model(**inputs)
            logits = output[0] if isinstance(output, (tuple, list)) else output
            found["masked-token logits"] = logits
        elif config.pooler:
            found["hidden states"], found["pooled output"] = model(**inputs)[:2]
        else:
            found["replaced-token logits"] = model(**inputs)
            found["hidden states"] = model.electra(**inputs)
    shown = ", ".join(f"{epsilon:g}" for epsilon in epsilons)
    note = (
        f"epsilon PaddleNLP's {half} computes with {shown}; set to {config.layer_norm_eps:g} here"
    )
    return {name: tensor.numpy() for name, tensor in found.items()}, [note]

"""``paddle-electra finetune``: a pretrained model and a task's files to a fine-tuned model.

The output folder holds the model in our own format with ``task.json``, ``settings.json`` (every
option as resolved), ``log.jsonl`` and ``visualdl``, the predictions and, written last,
``results.json``.  While training goes on ``checkpoints`` holds what is needed to resume; the same
command continues there, and the resumed run equals an unbroken one.  With several tasks the model
and the predictions of each lie in a folder named after it.  With several trials see `trials`.
"""

import dataclasses
import sys
from pathlib import Path

import paddle

from ..checkpoint.names import ENCODER_PREFIX
from ..checkpoint.native import load_weights, starting_with
from ..files import write_json
from ..training.state import only_job
from . import output as outputs
from .evaluation import predict_all
from .metrics import only_scores
from .options import nearest_size
from .session import Session
from .setup import digests, prepare
from .tasks import SPLITS
from .trials import run_trials


def run(options):
    """Fine-tune and score; the function behind the command.

    Args:
        options: a `FinetuneOptions`.
    Returns:
        the dict that is written to ``results.json``.
    Raises:
        InputError: the model, a task file, an option or the output folder is not as it should be.
    """
    setup = prepare(options)
    sources = digests(setup)
    with only_job(options.output):
        if options.num_trials > 1:
            return run_trials(setup, sources, run_once)
        return run_once(setup, sources)


def run_once(setup, sources):
    """One training and its scores, in ``setup.options.output``.

    Args:
        sources: the digests of its inputs, see `setup.digests`.
    """
    options = setup.options
    identity = outputs.identify(setup, sources)
    finished = outputs.check(options.output, identity)
    if finished is not None:
        print(f"{options.output}: this run is already finished; nothing to do")
        if options.write_test_outputs and not outputs.wrote_test(options.output):
            print(
                f"{options.output}: it was made without predictions of test files; "
                f"`paddle-electra finetune --no-do-train --model {options.output} ...` makes them"
            )
        _print_results(setup, finished)
        return finished
    model = build_model(setup)
    outputs.write_settings(options, identity)
    training, predicted = {}, {}
    if options.do_train:
        session = Session(setup, model)
        training, predicted = session.train(), session.predicted
    names = [job.task.name for job in setup.jobs]
    results = {
        "task": names if setup.several else names[0],
        "model": options.model,
        "init": options.init,
        "size": nearest_size(setup.checkpoint.config),
        "seed": options.seed,
        **training,
        **_score(setup, model, predicted),
    }
    if options.do_train:
        outputs.write_model(setup, model)
    write_json(Path(options.output) / outputs.RESULTS, results)
    outputs.remove_checkpoints(options.output)
    _print_results(setup, results)
    print(f"{'model, scores' if options.do_train else 'scores'} and predictions: {options.output}")
    return results


def build_model(setup):
    """The model with the weights that the options ask for.

    From a pretrained checkpoint the encoder is taken and the head is new; without training the
    head is the checkpoint's too.  A missing weight is an error.
    """
    options, checkpoint = setup.options, setup.checkpoint
    paddle.seed(options.seed)
    model = setup.kind.build_model(checkpoint.config)
    if not options.do_train:
        load_weights(model, checkpoint.discriminator, checkpoint.source)
    elif options.init == "checkpoint":
        encoder = starting_with(checkpoint.discriminator, ENCODER_PREFIX)
        heads = [name for name in model.state_dict() if not name.startswith("electra.")]
        load_weights(model, encoder, checkpoint.source, allow_missing=heads)
    return model


def _score(setup, model, known):
    """{split: scores}, or of several tasks {task: {split: scores}}; writes the predictions.

    ``known``: {task: outputs on dev} that training has already computed with these weights.
    """
    scores = {}
    for number, job in enumerate(setup.jobs):
        outputs_on_dev = {"dev": known[job.task.name]} if job.task.name in known else {}
        found = _score_job(setup, job, setup.part(model, number), outputs_on_dev)
        scores.update({job.task.name: found} if setup.several else found)
    return scores


def _score_job(setup, job, model, known):
    options, scores = setup.options, {}
    folder = outputs.folder_of(setup, job)
    for split, (path, examples, features) in job.splits.items():
        if split == "train":
            continue
        dummy = job.task.has_dummy_labels(path, split, options.rows)
        if dummy:
            examples = [dataclasses.replace(example, label=None) for example in examples]
        predicted = known.get(split)
        if predicted is None:
            size = options.eval_batch_size
            predicted = predict_all(job.kind, model, features, size, f"scoring {split}")
        found = {} if dummy else job.kind.score(examples, features, predicted)
        scores[split] = {"examples": len(examples), **found}
        if warning := job.kind.collapse(predicted):
            scores[split]["warning"] = warning
            if split not in known:  # of those training has told it
                print(f"warning: {split}: {warning}", file=sys.stderr)
        if split == "dev" or options.write_test_outputs:
            folder.mkdir(parents=True, exist_ok=True)
            job.kind.write_predictions(folder, split, examples, features, predicted)
    return scores


def _print_results(setup, results):
    for job in setup.jobs:
        prefix = f"{job.task.name} " if setup.several else ""
        found = results[job.task.name] if setup.several else results
        for split in SPLITS[1:]:
            if split in found:
                print(f"{prefix}{split}: {_shown(found[split], job.task.metric)}")


def _shown(scores, metric):
    parts = [
        f"{name} {value:.{4 if name == 'loss' else 2}f}"
        for name, value in only_scores(scores).items()
    ]
    shown = ", ".join(parts) if metric in scores else "no labels, so no score"
    return f"{shown} ({scores['examples']} examples)"

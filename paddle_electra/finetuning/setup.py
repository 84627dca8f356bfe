"""What a fine-tuning needs, read and checked before anything is written."""

import hashlib
import sys
from pathlib import Path
from typing import Any, NamedTuple

from .. import checkpoint as checkpoints
from ..checkpoint.report import headline
from ..errors import InputError
from ..files import sha256
from ..text.tokenizer import ElectraTokenizer
from .cache import cached_features, default_folder
from .custom import CUSTOM, custom_task, refuse_custom_options
from .loop import count_steps
from .options import HEAD_OPTIONS, resolve
from .original_keys import apply_model_keys
from .several import SeveralTasks, TaskFeature
from .tasks import SPLITS, get_task

_SHOWN_EXAMPLES = 3


class Split(NamedTuple):
    """A split's file, its examples and their features."""

    path: Path
    examples: list
    features: list


class Job(NamedTuple):
    """A task, its kind, and {split: `Split`} of the files that are there."""

    task: Any
    kind: Any
    splits: dict


class Setup(NamedTuple):
    """Everything a run needs.

    ``jobs``: a `Job` for each task.  ``kind``: what the training sees: the only task's kind, or
    a `several.SeveralTasks`.
    """

    options: Any
    checkpoint: Any
    tokenizer: ElectraTokenizer
    jobs: tuple
    kind: Any

    @property
    def several(self):
        """Whether more than one task is learned."""
        return len(self.jobs) > 1

    @property
    def training_features(self):
        """The features of all tasks' training splits."""
        if not self.several:
            return self.jobs[0].splits["train"].features
        return [
            TaskFeature(number, feature)
            for number, job in enumerate(self.jobs)
            for feature in job.splits["train"].features
        ]

    def part(self, model, number):
        """The model of one task: its head, and the encoder that all have."""
        return model.parts[number] if self.several else model


def prepare(options):
    """Read the model and the tasks' files; returns a `Setup`.

    Raises:
        InputError: the model, a task file or an option is not as it should be.
    """
    if Path(options.model).resolve() == Path(options.output).resolve():
        raise InputError(
            f"--output {options.output}: this is the folder of --model; name another folder"
        )
    checkpoint = checkpoints.load(options.model)
    checkpoint.need_discriminator()
    print("\n".join(headline(checkpoint, ("discriminator",))))
    tasks = _tasks(options, checkpoint.task)
    checkpoint = apply_model_keys(options, checkpoint)
    config = checkpoint.config
    for note in checkpoint.notes:
        print(f"note: {options.model}: {note}", file=sys.stderr)
    options = resolve(options, config, tasks, checkpoint.task)
    with checkpoint.naming():
        tokenizer = ElectraTokenizer(checkpoint.vocab_file, do_lower_case=config.do_lower_case)
    if tokenizer.vocab_size > config.vocab_size:
        raise InputError(
            f"{checkpoint.vocab_name}: {tokenizer.vocab_size} tokens, but the model has embeddings "
            f"for {config.vocab_size}; use the vocabulary it was pretrained with"
        )
    if options.do_train:
        print(_recipe(options))
    else:
        _check_finetuned(options, checkpoint, tasks)
    if options.do_train and checkpoint.task is not None:
        print(
            f"note: {options.model} is fine-tuned already (on {checkpoint.task.get('task')}): its "
            f"encoder is taken, its head is not",
            file=sys.stderr,
        )
    jobs = tuple(_job(options, task, tokenizer, len(tasks) > 1) for task in tasks)
    kind = jobs[0].kind if len(jobs) == 1 else SeveralTasks([job.kind for job in jobs])
    setup = Setup(options, checkpoint, tokenizer, jobs, kind)
    if options.do_train:
        # Refused before anything is written.
        _, steps = count_steps(len(setup.training_features), options)
        if steps == 1 and options.warmup_proportion:
            print(
                "note: this is one step, whose rate is 0 (the warm-up begins there): nothing is "
                "learned; raise --num-train-epochs or lower --train-batch-size",
                file=sys.stderr,
            )
    return setup


def _recipe(options):
    """A line with the settings that are most often asked for; ``settings.json`` has all."""
    start = ", from random weights" if options.init == "random" else ""
    return (
        f"recipe  epochs {options.num_train_epochs:g}, rate {options.learning_rate:g}, layer decay "
        f"{options.layerwise_lr_decay:g}, batch {options.train_batch_size}, length "
        f"{options.max_seq_length}{start}"
    )


def _tasks(options, trained):
    """The tasks that are asked for."""
    names = [name.strip() for given in options.task for name in given.split(",") if name.strip()]
    if not names:
        raise InputError("--task is empty; name a task")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"--task: {name} is named twice")
    if CUSTOM in names and len(names) > 1:
        raise InputError("--task custom cannot be learned together with other tasks")
    if names == [CUSTOM]:
        if not options.do_train and trained is None:
            raise _not_finetuned(options)
        labels = None if options.do_train else trained.get("labels")
        return [custom_task(options, labels and tuple(labels))]
    tasks = [get_task(name) for name in names]
    refuse_custom_options(options)
    if options.data is None:
        raise InputError("--data is required: the folder with the task's files")
    return tasks


def _not_finetuned(options):
    return InputError(
        f"--no-do-train: {options.model} has no task.json, so it is not fine-tuned; "
        f"name a model that `paddle-electra finetune` made"
    )


def _check_finetuned(options, checkpoint, tasks):
    if len(tasks) > 1:
        raise InputError(
            "--no-do-train: score one task at a time; each task's model lies in a folder of its own"
        )
    task = tasks[0]
    if checkpoint.task is None:
        raise _not_finetuned(options)
    for name in HEAD_OPTIONS:
        given, own = getattr(options, name), checkpoint.task.get(name, True)
        if task.kind == "qa" and given != own:
            raise InputError(
                f"--{'' if given else 'no-'}{name.replace('_', '-')}: {options.model} was "
                f"fine-tuned {'with' if own else 'without'} it; leave the option out"
            )
    kind, labels = checkpoint.task.get("kind"), checkpoint.task.get("labels") or []
    if kind != task.kind:
        raise InputError(f"{options.model}: fine-tuned on a task of kind {kind}, not {task.kind}")
    if labels != list(task.labels):
        raise InputError(
            f"{options.model}: fine-tuned on the labels {labels}, {task.name} has "
            f"{list(task.labels)}"
        )


def _job(options, task, tokenizer, several):
    kind = task.kind_class()(task, tokenizer, options.max_seq_length, options)
    folder = _folder(options, task, several)
    splits = {}
    wanted = {"train": options.do_train, "dev": options.do_eval}
    for split in SPLITS:
        if wanted.get(split, options.do_test) and split in task.files:
            path = task.find(folder, split)
            if path is None:
                _announce_absent(options, task, folder, split)
            else:
                splits[split] = _read_split(options, task, kind, split, path)
    if not splits:
        where = f"{folder}: " if folder else ""
        raise InputError(f"{where}neither a dev nor a test split to score")
    return Job(task, kind, splits)


def _folder(options, task, several):
    """Where a task's files are: --data, or for several tasks its folder in it."""
    if options.data is None:  # a custom task knows the paths of its files
        return ""
    data = Path(options.data)
    if not data.is_dir():
        found = "expected a folder, this is a file" if data.exists() else None
        raise InputError(f"--data {data}: {found or 'no such folder'}")
    if not several:
        return task.folder_in(data)
    if not (data / task.name).is_dir():
        raise InputError(
            f"--data {data}: no folder {task.name} in it; several tasks have a folder each"
        )
    return data / task.name


def _announce_absent(options, task, folder, split):
    looked = " or ".join(task.files[split])
    if split == "train":
        raise InputError(f"{folder}: no {looked}: the train split is missing")
    if split == "dev":
        _refuse_choice_by_dev(options, folder, f"no {looked}: the dev split is missing")
    print(f"{split}: no {looked} in {folder}; skipped")


def _refuse_choice_by_dev(options, place, problem):
    """Raise `InputError` if weights or the end are to be chosen by scores that there cannot be."""
    if options.keep == "best" or options.early_stopping:
        wants = "--keep best" if options.keep == "best" else "--early-stopping"
        raise InputError(f"{place}: {problem}, which {wants} needs")


def _read_split(options, task, kind, split, path):
    if options.feature_cache == "":
        raise InputError("--feature-cache is empty; give a folder, or off for none")
    examples = task.read(path, split, options.rows)
    if split == "dev" and task.kind == "qa" and not any(example.answers for example in examples):
        _refuse_choice_by_dev(options, path, "no question of it has an answer")
    folder = {None: default_folder(), "off": None}.get(options.feature_cache, options.feature_cache)
    features = cached_features(kind, examples, split, path, folder, {"rows": options.rows})
    print(f"{split}: {len(examples)} examples from {path}{_cut(options, task, features)}")
    if split == "train" and options.log_examples:
        _show(kind, features)
    return Split(path, examples, features)


def _cut(options, task, features):
    """How many texts fill the length, and so are cut or just as long; other kinds tell more."""
    full = sum(len(feature) == options.max_seq_length for feature in features)
    if not full or task.kind not in ("seq-cls", "pair-cls"):
        return ""
    return f"; {full} fill --max-seq-length {options.max_seq_length}, what is longer was cut"


def _show(kind, features):
    for number, feature in enumerate(features[:_SHOWN_EXAMPLES], 1):
        ids = kind.collate([feature])["input_ids"].flatten().tolist()[: len(feature)]
        print(f"example {number}: {' '.join(kind.tokenizer.convert_ids_to_tokens(ids))}")


def digests(setup):
    """{name: SHA-256} of the task files and {"model_sha256": ...} of the weights."""
    found = {"model_sha256": _digest_of(setup.checkpoint.discriminator)}
    for job in setup.jobs:
        prefix = f"{job.task.name}_" if setup.several else ""
        for split, (path, _, _) in job.splits.items():
            found[f"{prefix}{split}_sha256"] = sha256(path)
    return found


def _digest_of(tensors):
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()

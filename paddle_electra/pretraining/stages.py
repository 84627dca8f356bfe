"""The stages of a run: short examples first, then, if wanted, longer ones (``--long-data``)."""

from ..errors import InputError
from ..training.parallel import place_on_machine
from .batches import BatchMaker
from .order import ExampleOrder
from .settings import check_statements, check_words
from .shards import ShardDataset


class Stage:
    """A stretch of steps on one data set.

    Args:
        dataset: a `ShardDataset`.
        first_step: the step it begins with.
        batch_size: examples a step, over all processes.
        options: `PretrainOptions`.
        world: the `World` that shares each batch.
        tokenizer, kind: see `BatchMaker`.
    Raises:
        InputError: more processes and parts than a batch has examples.
    """

    def __init__(self, dataset, first_step, batch_size, options, world, tokenizer, kind):
        parts = options.gradient_accumulation_steps
        if parts * world.size > batch_size:
            shared = f" in each of {world.size} processes" if world.size > 1 else ""
            raise InputError(
                f"--gradient-accumulation-steps {parts}{shared}: more parts than the batch of "
                f"{batch_size} has examples"
            )
        self.dataset = dataset
        self.first_step = first_step
        self.batch_size = batch_size
        self.options = options
        held_out = min(options.eval_examples, len(dataset) // 10)
        self.order = ExampleOrder(len(dataset), held_out, batch_size, options.seed)
        self.maker = BatchMaker(dataset, tokenizer, options, kind, parts, world.rank, world.size)
        # Every evaluation batch is one process's own.
        self._evaluation = BatchMaker(dataset, tokenizer, options, kind)

    @property
    def held_out(self):
        """Numbers of the examples that are never trained on."""
        return self.order.held_out

    def batch(self, step):
        """This process's `Batch` of a step of the run."""
        return self.maker.make(step, self.order.batch(step - self.first_step))

    def evaluation_batches(self, rank, processes):
        """Yield this process's share of the held-out examples, with the same masks every time."""
        size = self.options.eval_batch_size
        for number, start in enumerate(range(0, len(self.held_out), size)):
            if number % processes == rank:
                # Steps from 2**62 on are never trained, so these masks are evaluation's own.
                yield self._evaluation.make(2**62 + number, self.held_out[start : start + size])


def read_datasets(options):
    """The `ShardDataset`s of the stages, with every file's checksum compared, by the processes of
    this machine together.

    Raises:
        InputError: unusable shards, another vocabulary in the second, or options that say of the
            first what it is not.
    """
    datasets = [ShardDataset(options.data)]
    check_statements(options, datasets[0])
    if options.long_data is not None:
        datasets.append(ShardDataset(options.long_data))
        datasets[1].check_vocabulary(datasets[0].vocab_fingerprint)
        check_words(options, datasets[1])
    for dataset in datasets:
        part = dataset.meta.get("part", "1/1")
        if part != "1/1":
            raise InputError(
                f"{dataset.folder}: part {part} of a data set; `paddle-electra data merge` makes "
                f"one of all parts"
            )
        dataset.verify(*place_on_machine())
    return datasets


def make_stages(datasets, options, world, tokenizer, kind):
    """The `Stage`s of a run, in their order."""
    first = Stage(datasets[0], 0, options.train_batch_size, options, world, tokenizer, kind)
    if len(datasets) == 1:
        return [first]
    size = options.long_train_batch_size
    if size is None:  # as many tokens as before
        ratio = datasets[0].max_seq_length / datasets[1].max_seq_length
        size = max(1, round(options.train_batch_size * ratio))
    start = options.long_data_from
    return [first, Stage(datasets[1], start, size, options, world, tokenizer, kind)]


def stage_of(stages, step):
    """The `Stage` that a step belongs to."""
    return [stage for stage in stages if stage.first_step <= step][-1]

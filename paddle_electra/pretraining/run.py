"""``paddle-electra pretrain``: the run from settings to the last checkpoint."""

import contextlib
import hashlib
import json
import time
from pathlib import Path

import paddle

from ..checkpoint import native
from ..checkpoint.runs import PRETRAINING_SETTINGS as SETTINGS
from ..config import to_dict
from ..errors import InputError
from ..files import disk_errors, read_json, write_json
from ..modeling.electra import ElectraForPreTraining
from ..progress import progress_bar
from ..text.tokenizer import ElectraTokenizer
from ..training import state
from ..training.device import choose_attention, choose_device
from ..training.interrupts import interrupts
from ..training.log import TrainingLog
from .batches import BatchMaker, prefetch
from .metrics import RtdCounts
from .order import ExampleOrder
from .settings import check_ranges, model_config, settle_rate
from .shards import ShardDataset
from .step import Trainer
from .warm_start import load_start, read_start, start_config

# These may change between a run and its continuation.  Other attention code or another device
# computes the same to rounding; the rest does not touch the numbers.
_FREE = {
    "data",
    "output",
    "hparams",
    "log_every",
    "eval_every",
    "eval_batch_size",
    "save_checkpoints_steps",
    "save_checkpoints_minutes",
    "keep_checkpoint_max",
    "attention",
    "device",
    "visualdl",
    "dry_run",
}


def run(options):
    """Pretrain, or continue, as `PretrainOptions` say.

    Raises:
        InputError: see `Run`; a loss that is not finite names the step and its examples.
    """
    choose_device(options.device)
    run = Run(options)
    if options.dry_run:
        run.dry_run()
    else:
        run.train()


class Run:
    """One pretraining run: data, model, optimizer, and where it stands.

    Raises:
        InputError: unusable shards, a model that does not fit them, or an output folder that holds
            a run with other settings.
    """

    def __init__(self, options):
        self.options = options
        self.output = Path(options.output)
        self.dataset = ShardDataset(options.data)
        self.dataset.verify()
        lower_case = self.dataset.meta["do_lower_case"]
        self.tokenizer = ElectraTokenizer(self.dataset.vocab_file, lower_case)
        self.dataset.check_vocabulary(self.tokenizer.fingerprint)
        start = None
        if options.init_from is not None and not state.list_checkpoints(self.output):
            start = read_start(options, self.dataset)
        self.config = self._choose_config(start)
        self.options = options = settle_rate(options, self.config)
        check_ranges(options)
        if self.output.exists() and not self.output.is_dir():
            raise InputError(f"{self.output}: expected a folder for the run, this is a file")
        if not options.dry_run:
            self._check_settings()
        held_out = min(options.eval_examples, len(self.dataset) // 10)
        self.order = ExampleOrder(
            len(self.dataset), held_out, options.train_batch_size, options.seed
        )
        tokenizer = self.tokenizer
        self.maker = BatchMaker(
            self.dataset,
            [tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id],
            tokenizer.mask_id,
            tokenizer.pad_id,
            options.seed,
            options.mask_prob,
            options.masking,
            options.gradient_accumulation_steps,
        )
        paddle.seed(options.seed)
        self.model = ElectraForPreTraining(self.config, options.gen_weight, options.disc_weight)
        if start is not None:
            print("\n".join(load_start(self.model, start)))
        attention = choose_attention(options.attention)
        for half in (self.model.generator, self.model.discriminator):
            half.electra.use_attention(attention)
        self.trainer = Trainer(self.model, options)
        self.step = 0
        self.sums = {}
        self.saved_at = self.clock = time.monotonic()

    def _choose_config(self, start):
        """The sizes of the run; of a warm start that goes on, those of its newest checkpoint."""
        if self.options.init_from is None:
            config = model_config(self.options, self.dataset)
        elif start is None:
            config = native.load(state.list_checkpoints(self.output)[-1][1]).config
        else:
            config = start_config(start, self.options, self.dataset)
        if self.dataset.max_seq_length > config.max_position_embeddings:
            raise InputError(
                f"{self.options.data}: examples have up to {self.dataset.max_seq_length} tokens, "
                f"the model has {config.max_position_embeddings} positions; build shards with "
                f"--max-seq-length {config.max_position_embeddings} or less"
            )
        return config

    def _check_settings(self):
        """Refuse to continue a run with other settings or data; the first difference is named."""
        path = self.output / SETTINGS
        if not path.is_file():
            if self.output.is_dir() and any(self.output.iterdir()):
                raise InputError(
                    f"{self.output}: not empty and not a pretraining run; give another --output"
                )
            return
        before = read_json(path, keys=("options", "vocabulary", "shards"))
        if before["vocabulary"] != self.dataset.vocab_fingerprint:
            raise InputError(
                f"{self.options.data}: these shards are of another vocabulary than the run in "
                f"{self.output}; give the run's own shards, or another --output"
            )
        if before["shards"] != fingerprint(self.dataset):
            raise InputError(
                f"{self.options.data}: these are not the shards that the run in {self.output} "
                f"began with; give those, or another --output"
            )
        now = to_dict(self.options)
        for key, value in before["options"].items():
            if key not in _FREE and key in now and now[key] != value:
                raise InputError(
                    f"{self.output} holds a run with {key}={value!r}, now it is {now[key]!r}; "
                    f"give the same value to continue it, or another --output"
                )

    def dry_run(self):
        """One update's forward and backward pass, and what it says about the whole run."""
        batch = self.maker.make(0, self.order.batch(0))
        self.trainer.forward_backward(batch)  # the first pass warms up
        started = time.monotonic()
        losses = self.trainer.forward_backward(batch)
        seconds = time.monotonic() - started
        parameters = sum(p.size for p in self.trainer.parameters)
        hours = seconds * self.options.num_train_steps / 3600
        print(self._describe())
        print(
            f"dry run: {parameters:,} parameters; one batch of {batch.tokens:,} real tokens, loss "
            f"{losses['loss']:.3f}, {seconds:.2f} s forward and backward; about {hours:.1f} h for "
            f"{self.options.num_train_steps:,} steps on this machine; nothing was written"
        )

    def _describe(self):
        config = self.config
        return (
            f"{len(self.dataset):,} examples of up to {self.dataset.max_seq_length} tokens "
            f"({len(self.order.held_out)} held out), vocabulary {config.vocab_size}; "
            f"discriminator {config.num_hidden_layers} x {config.hidden_size}, "
            f"generator {config.generator_num_hidden_layers} x {config.generator_hidden_size}"
        )

    def train(self):
        """All remaining steps, with log, evaluation and checkpoints."""
        self._restore()
        total = self.options.num_train_steps
        if self.step >= total:
            print(f"{self.output}: finished already at step {self.step}; nothing to do")
            return
        print(self._describe())
        print(f"continuing from step {self.step}" if self.step else f"a new run in {self.output}")
        with disk_errors(self.output):
            self.output.mkdir(parents=True, exist_ok=True)
        if not (self.output / SETTINGS).is_file():
            save_settings(self.options, self.dataset, self.output)
        log = TrainingLog(self.output, self.step, self.options.visualdl)
        steps = range(self.step, total)
        bar = progress_bar("pretraining", total, self.step)
        self.clock = time.monotonic()
        with bar, interrupts() as interrupted, contextlib.closing(log):
            make = lambda step: self.maker.make(step, self.order.batch(step))  # noqa: E731
            for batch in prefetch(make, steps):
                self._one_step(batch, log, bar)
                if interrupted:
                    self._save()
                    print(f"stopped at step {self.step}; the same command continues from there")
                    raise KeyboardInterrupt
                if self._time_to_save():
                    self._save()
        print(f"finished {total:,} steps; the model is in {self.output} (newest checkpoint)")

    def _one_step(self, batch, log, bar):
        values = self.trainer.step(batch, self.dataset)
        self.step += 1
        values |= {"tokens": batch.tokens, "seconds": time.monotonic() - self.clock}
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        bar.update()
        if self.step % self.options.log_every == 0 or self.step == self.options.num_train_steps:
            self._write_log(log, bar)
        every = self.options.eval_every
        last = self.step == self.options.num_train_steps
        if len(self.order.held_out) and (last or (every and self.step % every == 0)):
            results = self.evaluate()
            log.write(self.step, "eval", **results)
            shown = ", ".join(f"{name} {value:.3f}" for name, value in results.items())
            bar.write(f"step {self.step}: held-out {shown}")
        self.clock = time.monotonic()  # evaluation is not part of a step's time

    def _write_log(self, log, bar):
        """One line of means over the steps since the last line."""
        count = self.sums.pop("steps")
        tokens, seconds = self.sums.pop("tokens"), self.sums.pop("seconds")
        means = {name: value / count for name, value in self.sums.items()}
        self.sums = {}
        speed = tokens / seconds
        log.write(self.step, "train", **means, tokens_per_second=round(speed, 1))
        bar.set_postfix_str(
            f"loss {means['loss']:.3f}, mlm {means['mlm_loss']:.3f}, "
            f"disc {means['discriminator_loss']:.4f}, {speed:,.0f} tokens/s"
        )

    def evaluate(self):
        """Metrics on the held-out examples, with the same masks and samples every time."""
        counts = RtdCounts()
        held_out, size = self.order.held_out, self.options.eval_batch_size
        self.model.eval()
        for number, start in enumerate(range(0, len(held_out), size)):
            # Steps counted from 2**62 are never trained on, so these masks are evaluation's own.
            batch = self.maker.make(2**62 + number, held_out[start : start + size])
            with paddle.no_grad():
                for part in batch.parts:
                    counts.add(self.trainer.forward(part), part)
        self.model.train()
        return counts.results()

    def _time_to_save(self):
        minutes = (time.monotonic() - self.saved_at) / 60
        return (
            self.step % self.options.save_checkpoints_steps == 0
            or self.step == self.options.num_train_steps
            or minutes >= self.options.save_checkpoints_minutes
        )

    def _save(self):
        state.save_checkpoint(
            self.output,
            self.step,
            self.config,
            self.tokenizer.vocab_file,
            self.model.discriminator,
            self.model.generator,
            self.trainer.optimizer,
            {"sums": self.sums},
        )
        state.rotate(self.output, self.options.keep_checkpoint_max)
        self.saved_at = time.monotonic()

    def _restore(self):
        checkpoints = state.list_checkpoints(self.output)
        if not checkpoints:
            return
        self.step, folder = checkpoints[-1]
        loaded = native.load(folder)
        if loaded.config != self.config:
            raise InputError(f"{folder}: this checkpoint is of another size than the run")
        if loaded.generator is None:
            raise InputError(f"{folder}: {native.GENERATOR} is missing; a run needs both halves")
        native.load_pretraining(self.model, loaded)
        moments, saved = state.read_training_state(folder, keys=("sums",))
        self.trainer.optimizer.load_moments(moments, folder)
        self.sums = saved["sums"]


def fingerprint(dataset):
    """One hash of all shards' checksums."""
    sums = json.dumps([shard["sha256"] for shard in dataset.meta["shards"]], sort_keys=True)
    return hashlib.sha256(sums.encode("ascii")).hexdigest()


def save_settings(options, dataset, output):
    """Write the run's settings beside its output, with hashes of vocabulary and shards."""
    settings = {
        "options": to_dict(options),
        "vocabulary": dataset.vocab_fingerprint,
        "shards": fingerprint(dataset),
    }
    write_json(output / SETTINGS, settings)

"""``paddle-electra pretrain``: the run from settings to the last checkpoint.

Several processes, also on several machines, share a run when they are started by Paddle's launcher:

    python -m paddle.distributed.launch --nproc_per_node 2 paddle-electra pretrain ...
"""

import contextlib
import time
from pathlib import Path

import paddle

from ..checkpoint import native
from ..checkpoint.runs import checkpoint_folder, list_checkpoints
from ..errors import InputError
from ..files import clean_up, disk_errors
from ..progress import progress_bar
from ..text.tokenizer import ElectraTokenizer
from ..training import state
from ..training.device import choose_attention, choose_device
from ..training.interrupts import interrupts
from ..training.log import TrainingLog, read_log
from ..training.parallel import join_world
from ..training.peak import measure_once
from ..training.precision import DTYPES, Precision
from ..wording import plural
from .batches import prefetch
from .evaluation import evaluate
from .identity import (
    SETTINGS,
    check_settings,
    fingerprint,
    save_settings,
    shared_settings,
    weights_digest,
)
from .probe import check_probe, run_probe
from .samples import FOLDER as SAMPLES
from .samples import write_samples
from .settings import build_model, check_ranges, model_config, settle_rate
from .stages import make_stages, read_datasets, stage_of
from .step import LOSSES, Trainer
from .warm_start import load_start, read_start, start_config

EVALUATION, PROBE = "eval", "probe"


def run(options):
    """Pretrain, or continue, as `PretrainOptions` say.

    Raises:
        InputError: see `Run`; a loss that is not finite names the step and its examples.
    """
    choose_device(options.device)
    with state.only_job(options.output, writes=options.do_train and not options.dry_run):
        run = Run(options)
        if options.dry_run:
            run.dry_run()
        elif options.do_train:
            run.train()
        else:
            run.evaluate_only()
        run.world.leave()


class Run:
    """One pretraining run: data, model, optimizer, and where it stands.

    Raises:
        InputError: unusable shards, a model that does not fit them, an output folder that holds a
            run with other settings, a device that cannot do what is asked, processes that do not
            agree.
    """

    def __init__(self, options):
        self.output = Path(options.output)
        check_ranges(options)
        Precision(options.precision, options.amp_level)
        self.probe = None if options.probe is None else check_probe(options.probe)
        datasets = read_datasets(options)
        tokenizer = datasets[0].vocab_file, datasets[0].meta["do_lower_case"]
        self.tokenizer = ElectraTokenizer(*tokenizer)
        datasets[0].check_vocabulary(self.tokenizer.fingerprint)
        start = None
        if options.init_from is not None and not list_checkpoints(self.output):
            start = read_start(options, datasets[0])
        self.config = self._choose_config(options, datasets, start)
        self.options = options = settle_rate(options, self.config)
        if not options.dry_run:
            check_settings(self.output, options, datasets)
        self.world = join_world()
        self.world.check_same(lambda: shared_settings(options), "the command")
        self.world.check_same(lambda: fingerprint(datasets), "the shards")
        steps = [step for step, _ in list_checkpoints(self.output)]
        self.world.check_same(lambda: str(steps), "the run")
        self.stages = make_stages(
            datasets, options, self.world, self.tokenizer, _choose_layout(options.layout)
        )
        self.datasets = datasets
        self.step = 0
        self.sums, self.totals = {}, {"tokens_seen": 0, "seconds_trained": 0.0}
        self.pending = []  # what is due at this step and not done
        self.measured = None  # see `measure_once`
        self.trainer = self._make_trainer(start)
        self.model = self.trainer.model
        self.world.check_same(lambda: weights_digest(self.model), "the weights to begin with")
        self.log = None
        self.received = []
        self.saved_at = self.clock = time.monotonic()

    def _choose_config(self, options, datasets, start):
        """The sizes of the run; of a warm start that goes on, those of its newest checkpoint."""
        if options.init_from is None:
            config = model_config(options, datasets[0])
        elif start is None:
            config = native.load(list_checkpoints(self.output)[-1][1]).config
        else:
            config = start_config(start, options, datasets[0])
        for dataset in datasets:
            if dataset.max_seq_length > config.max_position_embeddings:
                raise InputError(
                    f"{dataset.folder}: examples have up to {dataset.max_seq_length} tokens, the "
                    f"model has {config.max_position_embeddings} positions; build shards with "
                    f"--max-seq-length {config.max_position_embeddings} or less"
                )
        return config

    def _make_trainer(self, start):
        """The `Trainer` with the weights to begin with, or those of the newest checkpoint."""
        paddle.seed(self.options.seed)
        model = build_model(self.config, self.options)
        if start is not None:
            self._say("\n".join(load_start(model, start)))
        attention = choose_attention(self.options.attention)
        for encoder in model.encoders:
            encoder.use_attention(attention)
        checkpoints = [] if self.options.dry_run else list_checkpoints(self.output)
        self.resumed = bool(checkpoints)
        if not checkpoints:
            return Trainer(model, self.options, self.world)
        self.step, folder = checkpoints[-1]
        loaded = native.load(folder)
        if loaded.config != self.config:
            raise InputError(f"{folder}: this checkpoint is of another size than the run")
        if loaded.generator is None and model.generator is not None:
            raise InputError(f"{folder}: {native.GENERATOR} is missing; a run needs both halves")
        native.load_pretraining(model, loaded)
        trainer = Trainer(model, self.options, self.world)
        keys = ("sums", "totals", "pending", "scaler")
        moments, saved = state.read_training_state(folder, keys)
        trainer.optimizer.load_moments(moments, folder)
        trainer.scaler.load(saved["scaler"])
        self.sums, self.totals, pending = (saved[key] for key in keys[:3])
        self.measured = saved.get("peak")
        wanted = {EVALUATION: self.options.do_eval, PROBE: self.probe is not None}
        self.pending = [kind for kind in pending if wanted.get(kind)]
        return trainer

    def _say(self, text):
        if self.world.is_main:
            print(text, flush=True)

    def dry_run(self):
        """One update's forward and backward pass, and what it says about the whole run."""
        batch = self.stages[0].batch(0)
        self.trainer.forward_backward(batch)  # the first pass warms up
        started = time.monotonic()
        values = self.trainer.forward_backward(batch)
        seconds = time.monotonic() - started
        parameters = sum(p.size for p in self.trainer.parameters)
        hours = seconds * self.options.num_train_steps / 3600
        self._say(self._describe())
        self._say(
            f"dry run: {parameters:,} parameters; one batch of {values['tokens']:,.0f} real "
            f"tokens, loss {values['loss']:.3f}, {seconds:.2f} s forward and backward; about "
            f"{hours:.1f} h for {self.options.num_train_steps:,} steps on this machine; nothing "
            f"was written"
        )

    def _describe(self):
        config, lines = self.config, []
        for stage in self.stages:
            dataset = stage.dataset
            lines.append(
                f"from step {stage.first_step}: {len(dataset):,} examples of up to "
                f"{dataset.max_seq_length} tokens ({len(stage.held_out)} held out), "
                f"{stage.batch_size} a step"
            )
        several = f", {self.world.size} processes" if self.world.size > 1 else ""
        lines.append(
            f"vocabulary {config.vocab_size}; discriminator {config.num_hidden_layers} x "
            f"{config.hidden_size}, generator {config.generator_num_hidden_layers} x "
            f"{config.generator_hidden_size}{several}"
        )
        return "\n".join(lines)

    def evaluate_only(self):
        """Print the held-out metrics of the newest checkpoint."""
        if not self.step:
            raise InputError(f"{self.output}: no checkpoint to evaluate, and do_train is off")
        stage = stage_of(self.stages, self.step - 1)
        if not len(stage.held_out):
            raise InputError(f"{self.options.data}: no example is held out to evaluate on")
        results, _ = evaluate(self.trainer, stage, self.tokenizer)
        self._say(f"step {self.step}: held-out {_shown(results)}")

    def train(self):
        """All remaining steps, with log, evaluation, probes and checkpoints."""
        total = self.options.num_train_steps
        if self.step >= total and not self.pending:
            self._say(f"{self.output}: finished already at step {self.step}; nothing to do")
            return
        self._say(self._describe())
        self._say(
            f"continuing from step {self.step}" if self.step else f"a new run in {self.output}"
        )
        self._open_output()
        self.pending = self.world.gather(self.pending)[0]
        peak = self.options.peak_tflops
        if not peak:
            self.measured = measure_once(self.measured, DTYPES[self.options.precision])
        (self.peak,) = self.world.sum([peak * 1e12 if peak else self.measured["rate"]])
        bar = progress_bar("pretraining", total, self.step, disable=not self.world.is_main)
        with bar, interrupts() as self.received, contextlib.closing(self):
            if not self.resumed and self.probe is not None:
                self.pending = [PROBE]
                self._save()
            if not self._finish_pending(bar):
                self._stop(bar)
            self.clock = time.monotonic()
            for batch in prefetch(self._batch, range(self.step, total)):
                if not self._one_step(batch, bar):
                    self._stop(bar)
        self._say(
            f"finished {total:,} {plural(total, 'step')}; the model is in {self.output} "
            f"(newest checkpoint)"
        )

    def _open_output(self):
        if not self.world.is_main:
            return
        with disk_errors(self.output):
            self.output.mkdir(parents=True, exist_ok=True)
            for folder in ("", "checkpoints", SAMPLES, "probes"):
                clean_up(self.output / folder)
        if not (self.output / SETTINGS).is_file():
            save_settings(self.output, self.options, self.datasets)
        self.log = TrainingLog(self.output, self.step, self.options.visualdl)
        if self.pending:  # some of it may have been done after the checkpoint
            entries = read_log(self.log.path, tolerant=True)
            done = {entry["kind"] for entry in entries if entry["step"] == self.step}
            self.pending = [kind for kind in self.pending if kind not in done]

    def close(self):
        """Close the log."""
        if self.log is not None:
            self.log.close()

    def _batch(self, step):
        return stage_of(self.stages, step).batch(step)

    def _stopping(self):
        return bool(self.received) or self.world.is_deserted

    def _stop(self, bar):
        """Save what there is, when all processes know that they have been asked to stop."""
        self._save()
        bar.close()  # what is said next begins a line
        self._say(f"stopped at step {self.step}; the same command continues from there")
        self.world.leave()
        raise KeyboardInterrupt

    def _one_step(self, batch, bar):
        """One update and what is due after it.  Returns False when asked to stop instead."""
        stage = stage_of(self.stages, self.step)
        values = self.trainer.step(batch, stage.dataset, self._stopping)
        if values is None:
            return False
        self.step += 1
        now = time.monotonic()
        seconds, self.clock = now - self.clock, now
        for name, value in {**values, "seconds": seconds, "steps": 1}.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.totals["tokens_seen"] += int(values["tokens"])
        self.totals["seconds_trained"] += seconds
        bar.update()
        if self.step % self.options.log_every == 0 or self.step == self.options.num_train_steps:
            self._write_log(bar)
        self.pending = self._due()
        return self._finish_pending(bar)

    def _write_log(self, bar):
        """One line of means over the steps since the last line."""
        sums, self.sums = self.sums, {}
        count, seconds = sums.pop("steps"), sums.pop("seconds")
        tokens, places, operations = (sums.pop(name) for name in ("tokens", "places", "flops"))
        means = {name: value / count for name, value in sums.items()}
        if self.log is None:
            return
        self.log.write(
            self.step,
            "train",
            **means,
            padding_share=round(1 - tokens / places, 6),
            tokens_seen=self.totals["tokens_seen"],
            tokens_per_second=round(tokens / seconds, 1),
            flops_utilisation=round(operations / seconds / self.peak, 4),
            seconds_trained=round(self.totals["seconds_trained"], 1),
        )
        losses = ", ".join(f"{name} {means[name]:.4g}" for name in LOSSES)
        bar.set_postfix_str(f"{losses}, {tokens / seconds:,.0f} tokens/s")

    def _due(self):
        """What is to be done after this step, evaluation first."""
        options, last = self.options, self.step == self.options.num_train_steps
        due = []
        every = options.eval_every
        held_out = len(stage_of(self.stages, self.step - 1).held_out)
        if options.do_eval and held_out and (last or (every and self.step % every == 0)):
            due.append(EVALUATION)
        if self.probe is not None and (last or self.step % options.probe_every == 0):
            due.append(PROBE)
        return due

    def _finish_pending(self, bar):
        """Evaluate, save and probe as far as that is due.  Returns False when asked to stop."""
        if EVALUATION in self.pending:
            if not self._evaluate(bar):
                return False
            self.pending.remove(EVALUATION)
        if self._time_to_save():
            self._save()
        if PROBE in self.pending:
            if not self._probe(bar):
                return False
            self.pending.remove(PROBE)
        self.clock = time.monotonic()  # none of this is part of a step's time
        return True

    def _evaluate(self, bar):
        stage = stage_of(self.stages, max(0, self.step - 1))
        found = evaluate(self.trainer, stage, self.tokenizer, self._stopping)
        if found is None:
            return False
        if self.log is not None:
            results, samples = found
            self.log.write(self.step, EVALUATION, **results)
            if samples:
                write_samples(self.output, self.step, samples, self.log)
            bar.write(f"step {self.step}: held-out {_shown(results)}")
        return True

    def _probe(self, bar):
        """Fine-tune the checkpoint of this step, on rank 0 while the others wait."""
        done = True
        if self.log is not None:
            folder = self.output / "probes" / f"step-{self.step:08d}"
            checkpoint = checkpoint_folder(self.output, self.step)
            try:
                scores = run_probe(checkpoint, self.probe, folder, self.received)
                self.log.write(self.step, PROBE, **scores)
                bar.write(f"step {self.step}: probe {_shown(scores)}")
            except KeyboardInterrupt:
                done = False
            except InputError as error:
                if not self.step:  # a mistake that shows before any work is lost
                    raise
                bar.write(f"step {self.step}: {error}; training goes on")
        self.world.wait()
        return not any(self.world.gather(not done))

    def _time_to_save(self):
        """Does rank 0 think that it is time?  Also when a probe needs the checkpoint."""
        minutes = (time.monotonic() - self.saved_at) / 60
        due = (
            PROBE in self.pending
            or (self.step and self.step % self.options.save_checkpoints_steps == 0)
            or self.step == self.options.num_train_steps
            or minutes >= self.options.save_checkpoints_minutes
        )
        asked = bool(due) and self.world.is_main and not self._is_saved()
        return any(self.world.sum([asked]))

    def _is_saved(self):
        saved = list_checkpoints(self.output)
        return bool(saved) and saved[-1][0] == self.step

    def _save(self):
        """Write a checkpoint; the processes wait for it, lest one ends before it is whole.

        One that is there is left alone: nothing that counts has changed since, and to replace it
        would be to have none for an instant.
        """
        if self.world.is_main and not self._is_saved():
            self.log.sync()
            state.save_checkpoint(
                self.output,
                self.step,
                self.config,
                self.tokenizer.vocab_file,
                self.model.discriminator,
                self.model.generator,
                self.trainer.optimizer,
                {
                    "sums": self.sums,
                    "totals": self.totals,
                    "pending": self.pending,
                    "scaler": self.trainer.scaler.state(),
                    "peak": self.measured,
                },
            )
            state.rotate(self.output, self.options.keep_checkpoint_max)
        self.world.wait()
        self.saved_at = time.monotonic()


def _shown(values):
    return ", ".join(
        f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )


def _choose_layout(name):
    """ "auto" is the fastest: unpadded where there are kernels for it, else packed."""
    if name != "auto":
        return name
    return "unpadded" if paddle.device.get_device().startswith("gpu") else "packed"

"""One training: steps, dev scores, saves, resuming."""

import sys
import time

from ..checkpoint.native import DISCRIMINATOR, load_weights, read_tensors
from ..progress import progress_bar
from ..training.interrupts import interrupts
from ..training.log import TrainingLog
from ..training.state import (
    checkpoint_folder,
    list_checkpoints,
    read_training_state,
    save_checkpoint,
)
from . import output as outputs
from .evaluation import predict_all
from .loop import Trainer


class Session:
    """Trains ``model`` as ``setup.options`` say, continuing where a stopped run left off.

    Args:
        setup: a `setup.Setup`.
        model: with its starting weights.
    """

    def __init__(self, setup, model):
        self.setup, self.model, self.options = setup, model, setup.options
        self.trainer = Trainer(setup.kind, model, setup.training_features, setup.options)
        self.epochs = []  # {"step", "epoch", scores...} of each dev evaluation
        self.predicted = {}  # task -> outputs on dev with the weights that are kept, if at hand
        self.seconds = 0.0
        self._resume()
        self.log = TrainingLog(self.options.output, self.trainer.step)

    def train(self):
        """Run the remaining steps and leave the kept weights in the model.

        Returns:
            what ``results.json`` says of the training.
        """
        trainer = self.trainer
        began, saved = time.monotonic() - self.seconds, time.monotonic()
        bar = progress_bar("", trainer.total_steps, trainer.step)
        with bar, interrupts() as interrupted:
            while trainer.step < trainer.total_steps and not self._stops_early():
                bar.set_description(f"epoch {int(trainer.epoch) + 1}", refresh=False)
                loss, rate, norm = trainer.train_step()
                bar.update()
                bar.set_postfix(loss=f"{loss:.4f}", rate=f"{rate:.2e}", refresh=False)
                self._log_step(loss, rate, norm)
                if trainer.at_epoch_end:
                    self._score_dev(bar)
                due = time.monotonic() - saved >= 60 * self.options.save_minutes
                if trainer.at_epoch_end or due or interrupted:
                    self.seconds = time.monotonic() - began
                    self._save()
                    saved = time.monotonic()
                if interrupted and trainer.step < trainer.total_steps:
                    bar.write(f"stopped at step {trainer.step}; the same command continues there")
                    raise KeyboardInterrupt
        self.log.close()
        kept = self._keep()
        return {
            "train": {
                "examples": len(trainer.features),
                "steps": trainer.step,
                "seconds": round(self.seconds, 1),
                "kept_step": kept,
            },
            "epochs": self.epochs,
        }

    def _log_step(self, loss, rate, norm):
        step = self.trainer.step
        if step % self.options.log_steps == 0 or step in (1, self.trainer.total_steps):
            self.log.write(step, "train", loss=loss, learning_rate=rate, gradient_norm=norm)

    def _score_dev(self, bar):
        found = {}
        for number, job in enumerate(self.setup.jobs):
            if "dev" in job.splits:
                found[job.task.name] = self._score_job(bar, number, job)
        if not found:
            return
        epoch = round(self.trainer.epoch, 4)
        scores = found if self.setup.several else next(iter(found.values()))
        self.epochs.append({"step": self.trainer.step, "epoch": epoch, **scores})

    def _score_job(self, bar, number, job):
        _, examples, features = job.splits["dev"]
        model = self.setup.part(self.model, number)
        size = self.options.eval_batch_size
        predicted = predict_all(job.kind, model, features, size, "dev")
        self.predicted[job.task.name] = predicted
        scores = job.kind.score(examples, features, predicted)
        name = f"{job.task.name} dev" if self.setup.several else "dev"
        self.log.write(self.trainer.step, name.replace(" ", "_"), **scores)
        shown = ", ".join(f"{score} {value:.4g}" for score, value in scores.items())
        bar.write(f"epoch {round(self.trainer.epoch, 4):g}: {name} {shown}", file=sys.stdout)
        warning = job.kind.collapse(predicted)
        if warning:
            bar.write(f"warning: {name}: {warning}", file=sys.stderr)
        return scores

    def _best_step(self):
        """The step after the epoch that was best on dev, the first of equals; None for none.

        Of several tasks the mean of their scores counts.
        """
        scored = [(self._metric(entry), -entry["step"]) for entry in self.epochs]
        scored = [entry for entry in scored if entry[0] is not None]
        return -max(scored)[1] if scored else None

    def _stops_early(self):
        """Whether the last epochs, as many as ``early_stopping`` says, brought nothing better."""
        patience, best = self.options.early_stopping, self._best_step()
        if not patience or best is None:
            return False
        return sum(entry["step"] > best for entry in self.epochs) >= patience

    def _metric(self, entry):
        values = []
        for job in self.setup.jobs:
            scores = entry.get(job.task.name, {}) if self.setup.several else entry
            if job.task.metric in scores:
                values.append(scores[job.task.metric])
        return sum(values) / len(values) if values else None

    def _save(self):
        checkpoint, step = self.setup.checkpoint, self.trainer.step
        state = {"epochs": self.epochs, "seconds": self.seconds}
        self.log.sync()
        save_checkpoint(
            self.options.output,
            step,
            checkpoint.config,
            checkpoint.vocab_file,
            self.model,
            None,
            self.trainer.optimizer,
            state,
            self.setup.kind.describe(),
        )
        needed = {step, self._best_step()} if self.options.keep == "best" else {step}
        outputs.remove_checkpoints(self.options.output, needed)

    def _resume(self):
        found = list_checkpoints(self.options.output)
        if not found:
            return
        step, folder = found[-1]
        moments, state = read_training_state(folder, keys=("epochs", "seconds"))
        self._load(folder)
        self.trainer.optimizer.load_moments(moments, folder)
        self.trainer.step = step
        self.epochs, self.seconds = state["epochs"], state["seconds"]
        print(f"continuing after step {step} of {self.trainer.total_steps}")

    def _load(self, folder):
        load_weights(self.model, read_tensors(folder / DISCRIMINATOR), folder)

    def _keep(self):
        """Load the weights that the options ask for; returns their step."""
        best = self._best_step()
        if self.options.keep == "last" or best in (None, self.trainer.step):
            return self.trainer.step
        self._load(checkpoint_folder(self.options.output, best))
        self.predicted = {}
        return best

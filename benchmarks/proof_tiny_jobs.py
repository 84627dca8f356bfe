"""The jobs of ``proof_tiny.py``, each in a folder of its own, and the queue that runs them."""

import dataclasses
import sys
import time
from pathlib import Path

from proof_tiny_data import folder_of
from proof_tiny_tasks import NETWORKS, PROOFS, RECIPES
from six_tasks_jobs import Runner, _clock

from paddle_electra.files import read_json

HERE = Path(__file__).parent
RESULTS = "results.json"
_TFIDF_MINUTES = 1.5  # a baseline, and the held-out text


@dataclasses.dataclass(frozen=True)
class Place:
    """Where everything is.

    Attributes:
        model: the checkpoint.
        data: folder of the tasks' folders.
        work: folder of the jobs.
        table: the settings, see `proof_tiny_tasks.settle`.
        run, shards: of the pretraining, or None.
    """

    model: str
    data: Path
    work: Path
    table: dict
    run: str | None = None
    shards: str | None = None

    @property
    def runs(self):
        """``WORK/runs``, in which TASK/ARM/seed-N and TASK/ARM/recipe-RECIPE are."""
        return Path(self.work) / "runs"


@dataclasses.dataclass(frozen=True)
class Job:
    """One training, or one baseline.

    Attributes:
        task, arm, seed: what it is.
        place: a `Place`.
        recipe: the recipe that is tried, if it is no training that counts.
    """

    task: str
    arm: str
    seed: int
    place: Place
    recipe: str | None = None

    @property
    def output(self):
        """The folder of the job."""
        name = f"recipe-{self.recipe}" if self.recipe else f"seed-{self.seed}"
        return self.place.runs / self.task / self.arm / name

    @property
    def log(self):
        """The file of the child's messages."""
        return self.output.with_name(f"{self.output.name}.log")

    @property
    def model(self):
        """What messages call it beside its task."""
        return f"{self.arm} {f'recipe {self.recipe}' if self.recipe else f'seed {self.seed}'}"

    @property
    def minutes(self):
        """About how long it takes, for the time left."""
        if self.arm in ("tfidf", HELD_OUT):
            return _TFIDF_MINUTES
        return PROOFS[self.task].minutes

    def is_done(self):
        """Whether its results are there."""
        return (self.output / RESULTS).is_file()

    def is_ready(self):
        """Whether all that it depends on is there: a network waits for its recipe."""
        return self.arm not in NETWORKS or self._recipe() is not None

    def _recipe(self):
        return self.recipe or chosen_recipe(self.place.runs, self.task, self.arm)

    def command(self, options):
        """The words of the command line.  Makes the data of the seed if it is not there."""
        output = ["--output", str(self.output), *options]
        if self.arm == HELD_OUT:
            words = ["--model", self.place.model, "--run", self.place.run]
            words += ["--shards", self.place.shards]
            return [sys.executable, str(HERE / "proof_tiny_heldout.py"), *words, *output]
        task, settings = PROOFS[self.task], self.place.table[self.task]
        data = folder_of(task, self.seed, self.place.data, self.place.work, settings)
        seed = ["--seed", str(self.seed)]
        if self.arm == "tfidf":
            words = ["--task", task.registered, "--data", str(data)]
            return [sys.executable, str(HERE / "proof_tiny_tfidf.py"), *words, *seed, *output]
        words = [sys.executable, "-m", "paddle_electra", "finetune", "--model", self.place.model]
        words += [*task.words(data, settings), *seed, *output, *RECIPES[self._recipe()]]
        return [*words, "--init", "random"] if self.arm == "random" else words


HELD_OUT = "held-out"


def plan(place, tasks, arms, trials):
    """All jobs in the order in which they are begun: a seed of everything, then the next.

    Args:
        place: a `Place`.
        tasks, arms: names.
        trials: seeds, from 1.
    """
    jobs = [Job(HELD_OUT, HELD_OUT, 0, place)] if place.run and place.shards else []
    for seed in range(1, trials + 1):
        for name in tasks:
            if seed == 1:
                networks = [arm for arm in arms if arm in NETWORKS]
                jobs += [Job(name, arm, 0, place, recipe) for arm in networks for recipe in RECIPES]
            for arm in arms:
                if arm != "tfidf" or seed == 1 or not PROOFS[name].one_baseline:
                    jobs.append(Job(name, arm, seed, place))
    return jobs


def scores_of_recipes(runs, task, arm):
    """{recipe: score on what it is chosen by} of the finished trials of a network's recipes."""
    split, metric = PROOFS[task].choice
    files = {name: Path(runs) / task / arm / f"recipe-{name}" / RESULTS for name in RECIPES}
    return {
        name: read_json(file, keys=(split,))[split][metric]
        for name, file in files.items()
        if file.is_file()
    }


def chosen_recipe(runs, task, arm):
    """The network's best recipe, the first of equals; None until all have been tried."""
    scores = scores_of_recipes(runs, task, arm)
    return max(scores, key=scores.get) if len(scores) == len(RECIPES) else None


class Queue(Runner):
    """Runs jobs, each in a process of one thread, a few at a time.

    A job whose recipe is not chosen yet waits, and later ones go first.

    Args:
        jobs: list of `Job` that are not done.
        processes: how many at a time.
        lock: descriptor that the children inherit.
        after: called after each job that ended, and at a stop.
    """

    def __init__(self, jobs, processes, lock, after):
        workers = [f"process {number}" for number in range(1, processes + 1)]
        super().__init__(jobs, workers, [], 1, lock, after)

    def _start(self):
        for worker in self.gpus:
            job = next((job for job in self.waiting if job.is_ready()), None)
            if worker in self.children or job is None:
                continue
            self.waiting.remove(job)
            self.children[worker] = self._launch(job, "")
            self._say(f"start {job.model} {job.task}")
        if not self.children:  # what is left waits for jobs that failed
            why = "not begun, since no recipe could be chosen; see the jobs that try them"
            self.failures += [f"{job.model} {job.task}: {why}" for job in self.waiting]
            self.waiting = []

    def _done(self, jobs):
        return sum(job.minutes for job in jobs if job.is_done())

    def _say(self, what):
        """One line of progress; the time left is by the minutes that the jobs are known to take."""
        elapsed = time.monotonic() - self.began
        done, total = self._done(self.jobs), sum(job.minutes for job in self.jobs)
        text = f"[{self.ended}/{len(self.jobs)}] {what}; {_clock(elapsed)} elapsed"
        if done and self.ended < len(self.jobs):
            text += f", about {_clock(elapsed * (total - done) / done)} left"
        print(text, flush=True)

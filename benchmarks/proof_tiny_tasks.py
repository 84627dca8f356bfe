"""What ``proof_tiny.py`` measures: its tasks, its arms, and the one table of their settings."""

import dataclasses

from paddle_electra.errors import InputError
from paddle_electra.finetuning.tasks import TASKS

# task -> its settings; --set TASK.NAME=VALUE changes one.  ``examples`` is how much is trained on,
# 0 for all there is; ``scored`` is the size of each scored split where it is made here.  Lengths
# are such that two cores can do it; a stride of 160 lets windows of 256 overlap by an answer's
# length also under the longest question.
DEFAULTS = {
    "chnsenticorp": {"max_seq_length": 128, "epochs": 3.0},
    "chnsenticorp-500": {"max_seq_length": 128, "epochs": 10.0, "examples": 500},
    "cmrc2018": {"max_seq_length": 256, "epochs": 2.0, "doc_stride": 160, "examples": 0},
    "pair": {"max_seq_length": 128, "epochs": 3.0, "examples": 6000, "scored": 2000},
    "xnli-dev": {"max_seq_length": 128, "epochs": 5.0},
}
NETWORKS = ("pretrained", "random")
ARMS = (*NETWORKS, "tfidf")
# Either network takes, task by task, the one of these that is best for it on dev with seed 0: the
# defaults of `finetune`, a higher rate, and that rate in every layer (the default gives lower
# layers less, which is meant for layers that know something already).
RECIPES = {
    "default": (),
    "1e-3": ("--learning-rate", "0.001"),
    "1e-3-all-layers": ("--learning-rate", "0.001", "--layerwise-lr-decay", "1"),
}


@dataclasses.dataclass(frozen=True)
class Task:
    """A task of the proof.

    Attributes:
        registered: the task of the registry whose files have the same layout.
        title, about: for the result, see `described`.
        scores: (split, metric) of everything that is tabulated, the one that counts first.
        choice: (split, metric) that a network's recipe is chosen by.
        baseline: what the arm tfidf is.
        minutes: of a fine-tuning of size tiny with the defaults on one core, for the time left.
        each_seed: whether a seed has data of its own.
        one_baseline: whether the baseline is the same for every seed.
    """

    name: str
    registered: str
    title: str
    about: str
    scores: tuple
    choice: tuple
    minutes: float
    baseline: str = "TF-IDF + logistic regression"
    each_seed: bool = False
    one_baseline: bool = False

    @property
    def is_reading(self):
        """Whether it is questions on a text."""
        return TASKS[self.registered].kind == "qa"

    def described(self, settings):
        """(title, about) with the numbers of its settings."""
        numbers = {"examples": settings.get("examples"), "scored": settings.get("scored")}
        sampled = f" (a sample of {numbers['examples']} questions)" if numbers["examples"] else ""
        return (text.format(**numbers, sampled=sampled) for text in (self.title, self.about))

    def words(self, data, settings):
        """Options of ``finetune`` that say what the task is.

        Args:
            data: folder of the task's files.
            settings: its row of the table of settings.
        """
        if self.name == "pair":
            files = [
                (f"--{split}", str(data / f"{split}.tsv")) for split in ("train", "dev", "test")
            ]
            found = ["--task", "custom", "--kind", "pair-cls", *(w for pair in files for w in pair)]
        else:
            found = ["--task", self.registered, "--data", str(data)]
        found += ["--max-seq-length", str(settings["max_seq_length"])]
        found += ["--num-train-epochs", str(settings["epochs"])]
        if self.is_reading:
            found += ["--doc-stride", str(settings["doc_stride"])]
        return found


_TEST, _DEV = ("test", "accuracy"), ("dev", "accuracy")
PROOFS = {
    task.name: task
    for task in (
        Task(
            "chnsenticorp",
            "chnsenticorp",
            "ChnSentiCorp, all of it",
            "Positive or negative reviews; its own three files.",
            (_TEST, _DEV),
            _DEV,
            minutes=11,
        ),
        Task(
            "chnsenticorp-500",
            "chnsenticorp",
            "ChnSentiCorp, {examples} training examples",
            "For each seed another sample of {examples} different texts of the training file, as "
            "many of each class, none of them in dev or test; the same sample for every arm.",
            (_TEST, _DEV),
            _DEV,
            minutes=3,
            each_seed=True,
        ),
        Task(
            "cmrc2018",
            "cmrc2018",
            "CMRC 2018",
            "Answers as a part of the text. Trained on train.json{sampled}, scored on dev.json as "
            "the official script does. There is no further file with answers: recipes are "
            "chosen on dev.json too.",
            (("dev", "f1"), ("dev", "em")),
            ("dev", "f1"),
            minutes=80,
            baseline="TF-IDF sentence: the clause of the text most like the question; nothing is "
            "trained but the weights of character 1-3-grams, on the training file's texts",
            one_baseline=True,
        ),
        Task(
            "pair",
            "lcqmc",
            "Does this passage answer this question?",
            "Made of CMRC 2018: {examples} pairs of train.json to train on, {scored} each for dev "
            "and test of dev.json, with no paragraph in two of them. Every question stands once "
            "beside the passage with its answer and once beside one of another paragraph without "
            "it; every passage is once right and once wrong, so neither text alone tells anything. "
            "Half of the wrong passages are the likeliest free ones by TF-IDF similarity to the "
            "question.",
            (_TEST, _DEV),
            _DEV,
            minutes=8,
        ),
        Task(
            "xnli-dev",
            "xnli",
            "XNLI, its dev file alone",
            "Entailment, contradiction or neither. For each seed another cut of dev.tsv: 80 % to "
            "train on, 20 % to score, a premise's pairs on one side, as many of each class. "
            "Recipes are chosen on the scored part of seed 0's cut.",
            (_DEV,),
            _DEV,
            minutes=3,
            each_seed=True,
        ),
    )
}


def settle(words, cmrc_train=None):
    """The table of settings: `DEFAULTS` with the changes of --set and --cmrc-train.

    Args:
        words: list of ``TASK.NAME=VALUE``.
    Raises:
        InputError: no such setting, or no number above 0 (``examples`` may be 0).
    """
    table = {task: dict(settings) for task, settings in DEFAULTS.items()}
    if cmrc_train is not None:
        words = [*words, f"cmrc2018.examples={cmrc_train}"]
    for word in words:
        place, _, value = word.partition("=")
        task, _, name = place.partition(".")
        if name not in table.get(task, {}):
            known = ", ".join(f"{t}.{n}" for t, settings in table.items() for n in settings)
            raise InputError(f"--set {word}: expected TASK.NAME=VALUE with one of {known}")
        kind = type(DEFAULTS[task][name])
        try:
            number = kind(value)
        except ValueError:
            number = -1
        if number < 0 or (number == 0 and (task, name) != ("cmrc2018", "examples")):
            raise InputError(f"--set {word}: expected a number above 0")
        table[task][name] = number
    return table

"""What ``proof_tiny.py`` makes of the jobs that are done: statistics and one markdown file.

Everything is read anew from ``WORK/runs``, where only a finished job has a ``results.json``.
"""

import collections
import functools
import math
import statistics
from importlib import metadata
from pathlib import Path

from proof_tiny_data import folder_of, repeated
from proof_tiny_jobs import HELD_OUT, RESULTS, chosen_recipe, scores_of_recipes
from proof_tiny_tasks import ARMS, NETWORKS, PROOFS, RECIPES
from record import header
from six_tasks_table import _rows, welch

from paddle_electra.files import atomic_write, read_json
from paddle_electra.finetuning.tasks import TASKS
from paddle_electra.training.log import read_log

_NAMES = {"em": "EM", "f1": "F1", "accuracy": "accuracy"}
_SHOWN = ("learning_rate", "layerwise_lr_decay", "num_train_epochs", "train_batch_size")
_SHOWN += ("max_seq_length", "doc_stride", "weight_decay_rate", "warmup_proportion")
# Of a log's line: what goes into the record, in this order.
_HELD_OUT = ("mlm_loss", "mlm_accuracy", "discriminator_loss", "rtd_accuracy", "rtd_precision")
_HELD_OUT += ("rtd_recall", "rtd_auc", "replaced_share")


def collect(runs, task, arm):
    """{seed: results} of the finished jobs of an arm; a baseline that needs no seed has None."""
    files = (Path(runs) / task / arm).glob(f"seed-*/{RESULTS}")
    found = [read_json(file, keys=("seed",)) for file in files]
    return {result["seed"]: result for result in sorted(found, key=lambda r: r["seed"] or 0)}


def values_of(results, split, metric):
    """The scores of `collect`'s results, in percent, in the order of seeds."""
    return [result[split][metric] for result in results.values()]


def compare(first, second):
    """The difference of two lists of scores and Welch's test of it.

    Returns:
        what `six_tasks_table.welch` gives, with "difference" of the means and "half", half the
        length of its 95 % interval.  None where there is nothing to say.
    """
    found = {**welch(first, second), "difference": None, "half": None}
    if first and second:
        found["difference"] = statistics.fmean(first) - statistics.fmean(second)
    if found["df"] is not None:
        from scipy.stats import t

        error = math.sqrt(sum(statistics.variance(s) / len(s) for s in (first, second)))
        found["half"] = float(t.ppf(0.975, found["df"])) * error
    return found


def verdict(found):
    """A comparison of pretrained with random in words."""
    difference, half = found["difference"], found["half"]
    if difference is None:
        return "nothing to compare yet"
    if half is None:
        return f"pretrained minus random {difference:+.2f}; no test: {found['note']}"
    shown = f"{abs(difference):.2f} ± {half:.2f}"
    if abs(difference) <= half:
        return f"no difference shown: pretrained minus random {difference:+.2f} ± {half:.2f}"
    if difference > 0:
        return f"pretraining beats random by {shown}"
    return f"pretraining is worse than random by {shown}"


def write_table(output, place, tasks, trials, jobs, command, about="", failures=()):
    """Write RESULT.md.

    Args:
        output: its path.
        place: a `proof_tiny_jobs.Place`.
        tasks: names of the tasks that are asked for; those with jobs from earlier are shown too.
        trials: seeds that are asked for.
        jobs: all `Job`s that are asked for.
        command: the command line for the header, without paths.
        about: a paragraph on the model.
        failures: lines on jobs that failed.
    """
    names = [name for name in PROOFS if name in tasks or (place.runs / name).is_dir()]
    sections = [_section(place, PROOFS[name], trials) for name in names]
    text = header("What the tiny pretrained model has learned", command)
    text += "\n".join(
        [
            *([about, ""] if about else []),
            *_status(place, jobs, failures),
            "",
            "## Summary",
            "",
            *(_summary(place, PROOFS[name]) for name in names),
            "",
            "## How it was measured",
            "",
            *_explanation(),
            "",
            *(line for section in sections for line in section),
            *_held_out(place),
        ]
    )
    with atomic_write(output) as handle:
        handle.write(text.rstrip("\n") + "\n")


def _status(place, jobs, failures):
    done = sum(job.is_done() for job in jobs)
    whole = done == len(jobs)
    lines = [
        f"All {done} jobs are done."
        if whole
        else f"**Not finished: {done} of {len(jobs)} jobs are done.** Figures of fewer seeds than "
        f"are asked for say so."
    ]
    names = {str(place.work): "FOLDER", str(place.data): "DATA"}
    for path, name in names.items():
        failures = [line.replace(path, name) for line in failures]
    return lines + [f"- failed: {line}" for line in failures]


def _summary(place, task):
    split, metric = task.scores[0]
    arms = {arm: collect(place.runs, task.name, arm) for arm in ARMS}
    scores = {arm: values_of(found, split, metric) for arm, found in arms.items()}
    found = compare(scores["pretrained"], scores["random"])
    title, _ = task.described(place.table[task.name])
    text = f"- {title}, {split} {_NAMES[metric]}: {verdict(found)}"
    if found["p"] is not None:
        text += f" (p {found['p']:.2g}, n {found['n'][0]} and {found['n'][1]})"
    means = [f"{arm} {statistics.fmean(v):.2f}" for arm, v in scores.items() if v]
    return f"{text}. Means: {', '.join(means)}." if means else f"{text}."


def _explanation():
    shown = "; ".join(
        f"{name}: {' '.join(words) or 'no options'}" for name, words in RECIPES.items()
    )
    return [
        "- Scores are percent; ± is half of the 95 % interval of the difference of means by "
        "Welch's t-test, two-sided, over seeds, not corrected for the number of tasks. Where a "
        "seed has data of its own, both arms see the same; the test makes no use of that.",
        "- pretrained, random: `finetune` of the same network, vocabulary, data, epochs and seeds "
        "from the weights and from random ones, each with the recipe that is best of these for it "
        f"with seed 0, which is not among the scores ({shown}).",
        "- tfidf: TF-IDF of character 1-3-grams (sublinear, grams of at least two texts) and "
        "logistic regression, its C chosen on a held-out tenth of the training examples; of pairs "
        "it sees the products and differences of both vectors and their cosine. scikit-learn "
        f"{_version('scikit-learn')}.",
        "- Nothing is chosen by scores on the way: the weights of the last step count.",
    ]


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _section(place, task, trials):
    title, about = task.described(place.table[task.name])
    lines = [f"## {title}", "", about, *_facts(place, task), ""]
    arms = {arm: collect(place.runs, task.name, arm) for arm in ARMS}
    rows = []
    for arm, found in arms.items():
        wanted = 1 if arm == "tfidf" and task.one_baseline else trials
        for split, metric in task.scores:
            rows.append([arm, f"{split} {_NAMES[metric]}", *_cells(found, split, metric, wanted)])
    lines.append(_rows(["arm", "score", "seeds", "mean", "sd", "seed: score"], rows))
    lines += [*_comparisons(task, arms), *_recipes(place, task), *_settings(place, task, arms)]
    return [*lines, f"- tfidf: {task.baseline}.", ""]


def _cells(found, split, metric, wanted):
    if not found:
        return ["not run", "", "", ""]
    values = values_of(found, split, metric)
    spread = f"{statistics.stdev(values):.2f}" if len(values) > 1 else ""
    shown = [
        f"{v:.2f}" if s is None else f"{s}: {v:.2f}" for s, v in zip(found, values, strict=True)
    ]
    count = f"{len(values)} of {wanted}" if None not in found else "any"
    return [count, f"{statistics.fmean(values):.2f}", spread, ", ".join(shown)]


def _comparisons(task, arms):
    rows = []
    for split, metric in task.scores:
        first = values_of(arms["pretrained"], split, metric)
        for other in ("random", "tfidf"):
            found = compare(first, values_of(arms[other], split, metric))
            if found["difference"] is None:
                continue
            numbers = ["–"] * 4
            if found["half"] is not None:
                numbers = [f"{found['half']:.2f}", f"{found['t']:.2f}", f"{found['df']:.1f}"]
                numbers.append(f"{found['p']:.2g}")
            what = [f"pretrained − {other}", f"{split} {_NAMES[metric]}"]
            rows.append([*what, f"{found['difference']:+.2f}", *numbers, found["note"] or ""])
    heads = ["Welch's test", "score", "difference", "±", "t", "df", "p", "note"]
    return [_rows(heads, rows)] if rows else []


def _recipes(place, task):
    lines = []
    split, metric = task.choice
    for arm in NETWORKS:
        scores = scores_of_recipes(place.runs, task.name, arm)
        if scores:
            chosen = chosen_recipe(place.runs, task.name, arm)
            shown = ", ".join(f"{name} {score:.2f}" for name, score in scores.items())
            end = f"chosen: {chosen}" if chosen else "not all are tried yet, so none is chosen"
            what = f"{split} {_NAMES[metric]} with seed 0"
            lines.append(f"- Recipes, {arm}, {what}: {shown}; {end}.")
    return lines


def _settings(place, task, arms):
    """What the trainings of an arm had in common, by the first one, and how long they took."""
    lines = []
    for arm in NETWORKS:
        if not arms[arm]:
            continue
        seed = next(iter(arms[arm]))
        file = place.runs / task.name / arm / f"seed-{seed}" / "settings.json"
        saved = read_json(file, keys=("options",))["options"] if file.is_file() else {}
        names = _SHOWN if task.is_reading else [name for name in _SHOWN if name != "doc_stride"]
        shown = ", ".join(f"{name} {saved[name]}" for name in names if name in saved)
        seconds = [result["train"]["seconds"] for result in arms[arm].values()]
        took = ", ".join(f"{second:.0f}" for second in seconds)
        lines.append(f"- {arm}: {shown or 'settings are not there'}; training took {took} s.")
    return lines


def _facts(place, task):
    """What the data itself says: the commonest label's share, and texts that stand in two files."""
    if task.is_reading:
        return []
    folder = _data(place, task)
    parts = {s: _examples(task.registered, folder, s) for s in ("train", "dev", "test")}
    shares = []
    for split in dict.fromkeys(split for split, _ in task.scores):
        if parts[split]:
            most = max(collections.Counter(e.label for e in parts[split]).values())
            shares.append(f"{split} {100 * most / len(parts[split]):.2f}")
    lines = [f"The commonest label alone would score {', '.join(shares)}."] if shares else []
    if task.name == "chnsenticorp":
        lines += [
            f"{repeated(parts[split], parts['train'])} of the {len(parts[split])} {split} texts "
            f"stand in the training file too, as published."
            for split in ("dev", "test")
            if parts[split]
        ]
    return lines


def _data(place, task):
    """The folder of seed 1's files; nothing is made for the table alone."""
    made = place.work / "data" / task.name / ("seed-1" if task.each_seed else "")
    if task.name == "chnsenticorp" or made.is_dir():
        return folder_of(task, 1, place.data, place.work, place.table[task.name])
    return made


def _examples(registered, folder, split):
    path = TASKS[registered].find(folder, split)
    return _read(registered, path, split) if path else []


@functools.cache
def _read(registered, path, split):
    return TASKS[registered].read(path, split)


def _held_out(place):
    """MLM and RTD: as the run logged them, and measured with the model's own weights."""
    rows = []
    log = read_log(Path(place.run) / "log.jsonl", tolerant=True) if place.run else []
    logged = [entry for entry in log if entry["kind"] == "eval"]
    if logged:
        for which, entry in (("first", logged[0]), ("last", logged[-1])):
            rows.append([f"the run's log, {which}, step {entry['step']}", *_metrics(entry)])
    file, note = place.runs / HELD_OUT / HELD_OUT / "seed-0" / RESULTS, []
    if file.is_file():
        found = read_json(file, keys=("pretrained", "random", "weights", "examples"))
        rows.append(["measured: pretrained weights", *_metrics(found["pretrained"])])
        rows.append(["measured: random weights", *_metrics(found["random"])])
        note = [
            f"Measured on {found['examples']} examples of the shards that the run never trained "
            f"on, with the weights of {found['weights']}. In the row of random weights the "
            f"generator is random, too."
        ]
    if not rows:
        return [
            "## Held-out text",
            "",
            "Not measured: no --run was given, or it has no metrics yet.",
        ]
    return ["## Held-out text", "", *note, "", _rows(["", *_HELD_OUT], rows)]


def _metrics(entry):
    return [f"{entry[name]:.4f}" if name in entry else "" for name in _HELD_OUT]

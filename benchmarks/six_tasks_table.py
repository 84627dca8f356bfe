"""What ``six_tasks.py`` makes of finished runs: statistics and tables.

Everything is read anew from ``OUT/runs/MODEL/TASK``, where only a finished trial has a
``results.json``; so the tables depend neither on the order nor on the interruptions of the runs.
"""

import itertools
import statistics
import warnings
from pathlib import Path

from record import header
from six_tasks_figure import LABELS, TITLES, draw, metrics_of, published, splits_of

from paddle_electra.errors import InputError
from paddle_electra.files import atomic_write, read_json, write_json
from paddle_electra.finetuning.tasks import TASKS
from paddle_electra.wording import plural

JSON, MARKDOWN, PICTURE = "six_tasks.json", "six_tasks.md", "six_tasks.png"
_HEADINGS = {"dev": "Development", "test": "Test", "challenge": "Challenge"}


def finished_trials(folder):
    """The flat results of the finished trials of one model and task, in the order of seeds.

    Args:
        folder: ``OUT/runs/MODEL/TASK``; it need not exist.
    Raises:
        InputError: a results file that is not what a fine-tuning writes.
    """
    files = list(Path(folder).glob("trial_*/results.json"))
    found = [read_json(file, keys=("seed", "size")) for file in files]
    whole = Path(folder) / "results.json"
    if not found and whole.is_file():
        flat = read_json(whole, keys=("task",))
        found = [] if "trials" in flat else [read_json(whole, keys=("seed", "size"))]
    return sorted(found, key=lambda trial: trial["seed"])


def network(folder):
    """What the models that the trials left are, by their configuration.

    Returns:
        {"bert", "layers", "hidden"}; None where no trial has left a model.
    """
    files = [*sorted(Path(folder).glob("trial_*/config.json")), Path(folder) / "config.json"]
    for file in files:
        if file.is_file():
            config = read_json(file, keys=("num_hidden_layers", "hidden_size"))
            layers, hidden = config["num_hidden_layers"], config["hidden_size"]
            return {"bert": bool(config.get("pooler")), "layers": layers, "hidden": hidden}
    return None


def summarize(values):
    """Statistics of one metric.

    Args:
        values: seed -> score.
    Returns:
        the values, their maximum, mean, standard deviation (of a sample; None for one value), n.
    """
    scores = list(values.values())
    return {
        "values": {str(seed): score for seed, score in values.items()},
        "maximum": max(scores),
        "mean": statistics.fmean(scores),
        "std": statistics.stdev(scores) if len(scores) > 1 else None,
        "n": len(scores),
    }


def collect(runs, task):
    """What the finished trials of one model and task scored.

    Args:
        runs: ``OUT/runs/MODEL``.
    Returns:
        {"size", "network", "trials", "examples", "collapsed": {split: seeds that gave one answer
        to everything}, "splits": {split: {metric: see `summarize`}}}, in which a split without
        labels is not; None without a finished trial.
    """
    trials = finished_trials(Path(runs) / task)
    if not trials:
        return None
    splits, examples, collapsed = {}, {}, {}
    for split in ["train", *splits_of(task)]:
        scored = {trial["seed"]: trial[split] for trial in trials if split in trial}
        if not scored:
            continue
        examples[split] = next(iter(scored.values()))["examples"]
        collapsed[split] = [seed for seed, scores in scored.items() if "warning" in scores]
        found = {}
        for metric in metrics_of(task):
            values = {seed: scores[metric] for seed, scores in scored.items() if metric in scores}
            if values:
                found[metric] = summarize(values)
        if found:
            splits[split] = found
    return {
        "size": trials[0]["size"],
        "network": network(Path(runs) / task),
        "trials": len(trials),
        "examples": examples,
        "collapsed": collapsed,
        "splits": splits,
    }


def welch(first, second):
    """Welch's t-test of two lists of scores.

    Returns:
        {"t", "df", "p", "n", "note"}; where the test says nothing the numbers are None and the
        note says why.
    """
    result = {"t": None, "df": None, "p": None, "n": [len(first), len(second)], "note": None}
    if min(result["n"]) < 2:
        return {**result, "note": "too few trials"}
    if all(min(scores) == max(scores) for scores in (first, second)):
        same = first[0] == second[0]
        which = "the same score" if same else f"they differ by {first[0] - second[0]:+.2f}"
        return {**result, "note": f"no spread in either: {which} in every trial"}
    try:
        from scipy.stats import ttest_ind
    except ImportError:
        raise InputError("scipy is not installed; pip install matplotlib scipy") from None
    with warnings.catch_warnings():
        # A sample without spread beside one with it is no loss of precision.
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        found = ttest_ind(first, second, equal_var=False)
    return {**result, "t": float(found.statistic), "df": float(found.df), "p": float(found.pvalue)}


def compare(scores, task):
    """Welch's test of every pair of models on the dev scores of a task's own metric."""
    metric = TASKS[task].metric
    values = {}
    for model, tasks in scores.items():
        dev = tasks.get(task, {}).get("splits", {}).get("dev", {})
        values[model] = list(dev[metric]["values"].values()) if metric in dev else []
    return [
        {"models": [one, other], "split": "dev", "metric": metric}
        | welch(values[one], values[other])
        for one, other in itertools.combinations(values, 2)
    ]


def make_tables(output, settings):
    """Write ``six_tasks.json``, ``.md`` and ``.png`` from the finished trials in ``output``.

    Args:
        settings: {"models": {name: path}, "tasks", "missing": tasks without data, ...}.
    Returns:
        the dict of ``six_tasks.json``.
    """
    output = Path(output)
    scores = {}
    for model in settings["models"]:
        found = {task: collect(output / "runs" / model, task) for task in settings["tasks"]}
        scores[model] = {task: value for task, value in found.items() if value is not None}
    tests = {task: compare(scores, task) for task in settings["tasks"]}
    table = {"settings": settings, "scores": scores, "welch": tests}
    picture = draw(table)
    write_json(output / JSON, table)
    with atomic_write(output / PICTURE, "wb") as handle:
        handle.write(picture)
    with atomic_write(output / MARKDOWN) as handle:
        handle.write(markdown(table))
    return table


def markdown(table):
    """``six_tasks.md``: header, settings, and for each task its table, values and tests."""
    settings = table["settings"]
    shown = {**settings, "models": None, "missing": None}
    lines = [
        f"- {name.replace('_', ' ')}: {_plain(value)}"
        for name, value in shown.items()
        if value not in (None, [])
    ]
    lines += [f"- model {_cell(name)}: `{path}`" for name, path in settings["models"].items()]
    sections = "\n".join(_section(table, task) for task in settings["tasks"])
    return (
        header("Six tasks: ours beside the published scores")
        + "\n".join(lines)
        + f"\n\nA cell is `maximum (mean)` in percent, ours with ± the standard deviation over "
        f"seeds and the number of finished trials. Published: {published()['source']}.\n\n"
        f"![scores]({PICTURE})\n\n"
        f"Bars are means, lines go from minimum to maximum; axes do not begin at 0.\n\n"
        f"{sections}"
    )


def _plain(value):
    return " ".join(map(str, value)) if isinstance(value, list) else value


def _cell(text):
    return str(text).replace("|", "\\|")


def _rows(heads, rows):
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def _section(table, task):
    ours = {model: tasks[task] for model, tasks in table["scores"].items() if task in tasks}
    text = f"## {TITLES[task]}\n\n{' / '.join(LABELS[m] for m in metrics_of(task))}\n\n"
    text += _scores(ours, table["settings"]["trials"], task)
    for model in table["settings"]["models"]:
        if model not in ours:
            missing = task in table["settings"]["missing"]
            why = "the data set is missing" if missing else "no trial is finished yet"
            text += f"\n{_cell(model)}: no scores, {why}.\n"
    if ours:
        text += f"\nEvery value:\n\n{_values(ours, task)}"
    return text + _tests(table["welch"][task])


def _scores(ours, trials, task):
    """The published rows, and ours below them."""
    splits = splits_of(task)
    rows = []
    for model, scores in published()["scores"][task].items():
        cells = [_figures(scores[split], task) for split in splits]
        rows.append([model, *cells, published()["parameters"][model], "published"])
    for model, found in ours.items():
        cells = [_figures(found["splits"].get(split), task) for split in splits]
        done = found["trials"]
        known = f"{done} of {trials}" if done <= trials else f"{done}"  # now started with fewer
        count = f"ours, {known} {plural(max(done, trials), 'trial')}"
        rows.append([f"**{_cell(model)}**", *cells, _size(found), count])
    return _rows(["Model", *map(_HEADINGS.get, splits), "#Params or layers", "Source"], rows)


def _size(found):
    shape = found["network"]
    if shape is None:
        return found["size"]
    return f"{'BERT, ' if shape['bert'] else ''}{shape['layers']} of {shape['hidden']}"


def _figures(scores, task):
    """`maximum (mean)` of each metric; ours, which have a spread, with more digits and it."""
    if not scores:
        return "–"
    parts = []
    for metric in metrics_of(task):
        score = scores[metric]
        digits = 2 if "n" in score else 1
        mean = "" if score["mean"] is None else f" ({score['mean']:.{digits}f})"
        spread = "" if score.get("std") is None else f" ±{score['std']:.2f}"
        parts.append(f"{score['maximum']:.{digits}f}{mean}{spread}")
    return " / ".join(parts)


def _values(ours, task):
    """Every seed's score, with a star at those of one answer to everything."""
    rows, stars = [], False
    for model, found in ours.items():
        for split, scores in found["splits"].items():
            same = set(map(str, found["collapsed"][split]))
            for metric, score in scores.items():
                values = ", ".join(
                    f"{seed}: {value:.2f}{'*' * (seed in same)}"
                    for seed, value in score["values"].items()
                )
                stars = stars or "*" in values
                where = f"{split}, {found['examples'][split]} examples"
                rows.append([_cell(model), where, LABELS[metric], values])
    note = "\n\\* The model gave one answer to everything.\n" if stars else ""
    return _rows(["Model", "Split", "Metric", "Seed: score"], rows) + note


def _tests(tests):
    if not tests:
        return ""
    rows = []
    for test in tests:
        numbers = ["–"] * 3
        if test["note"] is None:
            numbers = [f"{test['t']:.3f}", f"{test['df']:.2f}", f"{test['p']:.3g}"]
        pair = " − ".join(map(_cell, test["models"]))
        rows.append([pair, *numbers, " / ".join(map(str, test["n"])), test["note"] or ""])
    return (
        f"\nWelch's t-test over seeds, {tests[0]['split']} {LABELS[tests[0]['metric']]}, "
        f"two-sided, not corrected for the number of pairs:\n\n"
        + _rows(["Models", "t", "degrees of freedom", "p", "n", "Note"], rows)
    )

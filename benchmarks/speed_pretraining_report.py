"""The result file of `speed_pretraining`."""

import statistics
from importlib import metadata

from record import header
from speed_pretraining_contestants import MKL

RIVALS = ("PaddleNLP", "PyTorch")
WANTED = {"PaddleNLP": 2.0, "PyTorch": 1.0}  # times the rival's real tokens/s
TOP = 15  # operators of a profile
_BILLION = 1e9


def text(arguments, compared, apart, ceilings, shapes):
    """Markdown.

    Args:
        arguments: of the command line.
        compared, apart: `Measured` of the contestants in the same environment, and of the rest.
        ceilings: {kind: [operations a second for each shape, by round]}.
        shapes: the matrix products measured.
    """
    ceiling = highest(ceilings)
    parts = [
        header("Speed of pretraining beside PaddleNLP and PyTorch"),
        _settings(arguments, compared + apart),
        "## Real tokens a second\n\n" + _table(compared, compared, ceiling) + _verdict(compared),
    ]
    if apart:
        parts.append(
            "## Rivals under other circumstances\n\nMeasured after the above, in turn among "
            "themselves; the ratios are to the rivals above.\n\n"
            + _table(apart, compared, ceiling)
            + "- default environment: neither OMP_NUM_THREADS nor MKL_DEBUG_CPU_TYPE is set.\n"
            "- freed memory kept: glibc is told by MALLOC_* variables what ours tells it itself.\n"
            "- large generator: as large as the discriminator, as PaddleNLP's class makes it.\n\n"
        )
    parts += [_ceiling_table(ceilings, shapes), _losses(compared + apart)]
    parts += [_profile(measured) for measured in compared + apart if measured.profile]
    return "".join(parts).rstrip("\n") + "\n"


def highest(ceilings):
    """The most operations a second of any product and framework, medians over rounds; or None."""
    rates = [
        statistics.median(column)
        for rounds in ceilings.values()
        for column in zip(*rounds, strict=True)
    ]
    return max(rates, default=None)


def median_rate(measured):
    """Real tokens/s, the median over turns; None for one that was skipped."""
    rates = [turn.rate for turn in measured.turns]
    return statistics.median(rates) if rates else None


def rival_rates(compared):
    """{rival: its median}, of those that took part."""
    found = {m.contestant.name: median_rate(m) for m in compared if m.turns}
    return {name: found[name] for name in RIVALS if name in found}


def _settings(arguments, everyone):
    packages = []
    for name in ("torch", "transformers"):
        try:
            packages.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    turns = [turn for measured in everyone for turn in measured.turns]
    tokens = f"{turns[0].tokens / arguments.steps:.0f}" if turns else "no"
    source = arguments.data or "generated text (Zipf's law), cut by `data build`"
    return (
        f"Others: {', '.join(packages) or 'none'}. ELECTRA-{arguments.model_size}, batches of "
        f"{arguments.batch} examples of at most {arguments.length} tokens, in the first round "
        f"{tokens} real ones a step (padding is not counted); data: {source}. {arguments.rounds} "
        f"rounds, in each {arguments.steps} updates of every contestant in turn, after a warm-up; "
        f"all on the same examples with the same masks. An update: masking and padding on the "
        f"host, generator, sampling, discriminator, backward passes, clipping, AdamW; dropout "
        f"0.1. Environment of all: OMP_NUM_THREADS 2 (1 in each of two processes), "
        f"MKL_DEBUG_CPU_TYPE {MKL or 'not set'}; no other variables of OpenMP, MKL, malloc or "
        f"Paddle.\n\n"
        "PaddleNLP: `ElectraForTotalPretraining`, `ElectraPretrainingCriterion` and the loop of "
        "its own script, with a generator of our size. PyTorch: transformers' `ElectraForMaskedLM` "
        "and `ElectraForPreTraining` with shared embeddings, the generator's head at the masked "
        "positions only, fused AdamW, the faster of two attentions.\n\n"
        "MFU: operations of the model's matrix products on real tokens (`modeling.flops`), by the "
        "highest of the matrix-product rates below. Cores busy: processor time / time. "
        "Those whose turn it is not are stopped.\n\n"
    )


def _table(rows, compared, ceiling):
    rivals = rival_rates(compared)
    heading = ["", "processes x threads", "tokens/s, median"]
    heading += [f"/ {rival}" for rival in rivals]
    heading += ["ms a step", "cores busy", "MFU", "peak memory, GiB", "every round"]
    lines = ["| " + " | ".join(heading) + " |", "|---" * len(heading) + "|"]
    lines += [_row(measured, rivals, ceiling) for measured in rows if measured.turns]
    skipped = [m for m in rows if "skipped" in m.about]
    lines += [f"\nSkipped: {m.contestant.name}: {m.about['skipped']}." for m in skipped]
    return "\n".join(lines) + "\n\n"


def _row(measured, rivals, ceiling):
    contestant, turns = measured.contestant, measured.turns
    rate = median_rate(measured)
    median = lambda function: statistics.median(map(function, turns))  # noqa: E731
    share = median(lambda turn: turn.flops / turn.seconds) / ceiling if ceiling else 0.0
    cells = [
        contestant.name,
        f"{contestant.processes} x {contestant.threads or 'default'}",
        f"{rate:.0f}",
        *(f"{rate / other:.2f}" for other in rivals.values()),
        f"{1000 * median(lambda turn: turn.seconds / turn.steps):.0f}",
        f"{median(lambda turn: turn.processor / turn.seconds):.2f}",
        f"{share:.0%}" if ceiling else "",
        f"{max(turn.peak for turn in turns) / 2**30:.2f}",
        ", ".join(f"{turn.rate:.0f}" for turn in turns),
    ]
    return "| " + " | ".join(cells) + " |"


def _verdict(compared):
    """Our fastest mode against what is wanted."""
    ours = [m for m in compared if m.contestant.kind == "ours" and m.turns]
    if not ours:
        return ""
    best = max(ours, key=median_rate)
    lines = []
    for rival, rate in rival_rates(compared).items():
        ratio = median_rate(best) / rate
        reached = "yes" if ratio >= WANTED[rival] else "NO"
        lines.append(f"{ratio:.2f} times {rival} (at least {WANTED[rival]}: {reached})")
    return f"Our fastest, '{best.contestant.name}': {', '.join(lines)}.\n\n" if lines else ""


def _ceiling_table(ceilings, shapes):
    if not ceilings:
        return ""
    heading = ["GFLOP/s, medians", *(f"{a} x {b} x {c}" for a, b, c in shapes)]
    lines = ["| " + " | ".join(heading) + " |", "|---" * len(heading) + "|"]
    names = {"ours": "Paddle", "PyTorch": "PyTorch"}
    for kind, rounds in ceilings.items():
        rates = [statistics.median(column) / _BILLION for column in zip(*rounds, strict=True)]
        lines.append("| " + " | ".join([names[kind], *(f"{rate:.0f}" for rate in rates)]) + " |")
    return (
        "## Matrix products\n\nRows x inner x columns, two threads, the best of five each round; a "
        "multiplication and an addition are two operations.\n\n" + "\n".join(lines) + "\n\n"
    )


def _losses(everyone):
    """The first step's losses, which differ by the random weights only."""
    lines = ["| | generator | discriminator | |", "|---|---|---|---|"]
    for measured in everyone:
        if measured.turns:
            about = measured.about
            lines.append(
                f"| {measured.contestant.name} | {about['mlm']:.3f} | {about['rtd']:.4f} | "
                f"{about['note']} |"
            )
    return (
        "## Losses of the first step\n\nAll have the same examples and masks, and random weights "
        "of their own: about ln(vocabulary) and ln 2 each.\n\n" + "\n".join(lines) + "\n\n"
    )


def _profile(measured):
    total = sum(milliseconds for _, milliseconds, _ in measured.profile)
    lines = ["| operator | ms a step | share | calls a step |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {milliseconds:.1f} | {milliseconds / total:.1%} | {calls:.0f} |"
        for name, milliseconds, calls in measured.profile[:TOP]
    ]
    return (
        f"## Profile: {measured.contestant.name}\n\nThe {TOP} operators with the most time of "
        f"{total:.0f} ms a step in all, while the profiler watches.\n\n" + "\n".join(lines) + "\n\n"
    )

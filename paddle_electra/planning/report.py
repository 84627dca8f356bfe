"""A plan as people read it."""

import itertools

from .memory import USABLE

GIB = 2**30


def report(plan):
    """The text of `planner.plan`'s dict."""
    sections = [
        _heading(plan["settings"]),
        _parameters(plan["parameters"]),
        _flops(plan["flops"], plan["settings"]),
        _memory(plan["memory"]),
        _fit(plan["memory"]),
        _time(plan["time"], plan["settings"]["gpus"]),
    ]
    if plan["corpus"] is not None:
        sections.append(_corpus(plan["corpus"]))
    return "\n\n".join(sections)


def _heading(settings):
    precision = settings["precision"]
    if precision in ("fp16", "bf16"):
        precision += f" ({settings['amp_level']})"
    return (
        f"{settings['size']}: {settings['steps']:,} updates of {settings['batch']:,} examples of "
        f"at most {settings['seq']} tokens, on {settings['gpus']} x {settings['gpu']}, "
        f"{precision}, attention {settings['attention']}"
        f"{', recompute' if settings['recompute'] else ''}; computed, not measured"
    )


def _table(rows):
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *values in rows:
        numbers = (f"{value:>{width}}" for value, width in zip(values, widths[1:], strict=True))
        lines.append("  ".join([f"  {name:<{widths[0]}}", *numbers]).rstrip())
    return "\n".join(lines)


def _parameters(parameters):
    rows = [
        ("discriminator", f"{parameters['discriminator']:,}"),
        ("generator", f"{parameters['generator']:,}"),
        ("shared embeddings, in both", f"{parameters['shared']:,}"),
        ("trained together", f"{parameters['both']:,}"),
    ]
    return "parameters\n" + _table(rows)


def _flops(flops, settings):
    rows = [
        ("a token", f"{flops['token']:.3e}"),
        (f"an update of {flops['tokens_a_step']:,} real tokens", f"{flops['step']:.3e}"),
        (f"the run, {flops['tokens_a_run']:.2e} tokens", f"{flops['run']:.3e}"),
    ]
    share = f"{settings['padded_share']:.0%}"
    return f"operations (FLOPs) of training, {share} of the length empty\n" + _table(rows)


def _memory(memory):
    words = [moment.split() for moment in memory["moments"]]
    rows = [("", *line) for line in itertools.zip_longest(*words, fillvalue="")]
    for kind, sizes in memory["kinds"].items():
        if any(sizes):
            rows.append((kind, *(_gib(size) if size else "-" for size in sizes)))
    totals = (sum(column) for column in zip(*memory["kinds"].values(), strict=True))
    rows.append(("together", *map(_gib, totals)))
    at_once = memory["examples_at_once"]
    return f"memory of a card in GiB, {at_once} full examples at once, when\n" + _table(rows)


def _gib(size):
    return f"{size / GIB:.2f}"


def _fit(memory):
    highest = f"peak {_gib(memory['peak'])} GiB"
    if memory["fits"] is None:
        return f"{highest}; --memory-gib says whether it fits"
    usable = f"the {memory['capacity'] * USABLE / GIB:.1f} GiB ({USABLE:.0%}) to use of a card"
    if memory["fits"]:
        return f"{highest}: fits in {usable}"
    if not memory["remedies"]:
        advice = "not even one example at a time fits; take a card with more memory"
    else:
        ways = [
            f"{'--recompute ' if way['recompute'] else ''}--accumulate {way['accumulate']} "
            f"({_gib(way['peak'])} GiB)"
            for way in memory["remedies"]
        ]
        advice = (
            f"what fits: {', or '.join(ways)}; --accumulate is pretrain's "
            f"--gradient-accumulation-steps"
        )
    return f"{highest}: does not fit in {usable}; {advice}"


def _time(time, gpus):
    cards = f"{gpus} x {time['peak_of_a_card'] / 1e12:g} TFLOP/s"
    rows = [
        ("days", f"{time['days']:.2f}"),
        ("card hours", f"{time['gpu_hours']:,.1f}"),
        ("updates a second", f"{time['steps_a_second']:.3g}"),
    ]
    return (
        f"time of the run if {time['utilisation']:.0%} of {cards} is reached "
        f"(an assumption: --utilisation)\n" + _table(rows)
    )


def _corpus(corpus):
    token_size = corpus["token_bytes"] // corpus["tokens"]
    rows = [
        ("tokens", f"{corpus['tokens']:,}"),
        ("examples", f"{corpus['examples']:,}"),
        (f"shards: tokens, {token_size} bytes each", f"{corpus['token_bytes'] / 1e9:.2f} GB"),
        ("shards: index, 16 bytes an example", f"{corpus['index_bytes'] / 1e9:.2f} GB"),
        ("epochs of the run", f"{corpus['epochs']:.1f}"),
    ]
    return f"corpus of {corpus['text'] / 1e9:g} GB\n" + _table(rows)

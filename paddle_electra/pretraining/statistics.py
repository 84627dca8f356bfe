"""Counts of a build: added up over shards, turned into shares, printed."""

COUNTS = (
    "documents",
    "lines",
    "sentences",
    "characters",
    "bytes",  # of the input files as they are on disk
    "text_tokens",  # of all text read, without [CLS] and [SEP]
    "examples",
    "tokens",  # of all examples, with [CLS] and [SEP]
    "unknown_tokens",
    "two_segment_examples",
)


def summarize(parts, max_seq_length):
    """Add up the counts of all shards and derive shares between 0 and 1.

    ``padding_share``: of the positions if every example were padded to ``max_seq_length``;
    ``unknown_share``: [UNK] among the tokens of text in the examples; ``cut_share``: tokens of
    text that no example holds, because a sentence was longer than its place.
    """
    parts = list(parts)
    total = {name: sum(part[name] for part in parts) for name in COUNTS}
    kept = total["tokens"] - 2 * total["examples"] - total["two_segment_examples"]
    return {
        **total,
        "padding_share": 1 - _share(total["tokens"], total["examples"] * max_seq_length),
        "unknown_share": _share(total["unknown_tokens"], kept),
        "cut_share": 1 - _share(kept, total["text_tokens"]),
        "two_segment_share": _share(total["two_segment_examples"], total["examples"]),
    }


def _share(part, whole):
    return round(part / whole, 6) if whole else 0.0


def describe(meta):
    """The statistics in a dataset.json as text for people."""
    numbers = meta["statistics"]
    rows = [
        ("documents", f"{numbers['documents']:,}"),
        ("lines", f"{numbers['lines']:,} ({numbers['sentences']:,} after splitting)"),
        ("characters", f"{numbers['characters']:,}"),
        ("input", f"{numbers['bytes'] / 1e6:,.1f} MB"),
        ("shards", f"{len(meta['shards']):,}"),
        ("examples", f"{numbers['examples']:,} of at most {meta['max_seq_length']} tokens"),
        ("tokens", f"{numbers['tokens']:,}"),
        ("padding share", f"{numbers['padding_share']:.2%} if padded to the full length"),
        ("two segments", f"{numbers['two_segment_share']:.2%} of the examples"),
        ("[UNK] share", f"{numbers['unknown_share']:.3%} of the tokens of text"),
        ("cut off", f"{numbers['cut_share']:.2%} of the tokens of text"),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)

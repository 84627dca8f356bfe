"""Counts of a build: added up over shards, turned into shares, printed."""

COUNTS = (
    "documents",
    "duplicate_documents",  # dropped, and in none of the other counts but bytes
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

    Args:
        parts: dicts of `COUNTS`; those of converted records lack what nobody knows of them.
    """
    parts = list(parts)
    names = [name for name in COUNTS if not parts or any(name in part for part in parts)]
    total = {name: sum(part.get(name, 0) for part in parts) for name in names}
    kept = total["tokens"] - 2 * total["examples"] - total["two_segment_examples"]
    shares = {
        "padding_share": 1 - _share(total["tokens"], total["examples"] * max_seq_length),
        "unknown_share": _share(total["unknown_tokens"], kept),
        "two_segment_share": _share(total["two_segment_examples"], total["examples"]),
    }
    if "text_tokens" in total:
        shares["cut_share"] = 1 - _share(kept, total["text_tokens"])
    return {**total, **shares}


def _share(part, whole):
    return round(part / whole, 6) if whole else 0.0


def describe(meta, others=""):
    """The statistics in a dataset.json as text for people.

    Args:
        others: what to say of files that were not read.
    """
    numbers = {**meta["statistics"], "files": len(meta["inputs"])}
    rows = [
        ("files", "files", "{:,}{others}"),
        ("documents", "documents", "{:,}"),
        ("duplicates dropped", "duplicate_documents", "{:,} documents"),
        ("lines", "lines", "{:,} ({sentences:,} after splitting)"),
        ("characters", "characters", "{:,}"),
        ("input", "bytes", "{megabytes:,.1f} MB"),
        ("shards", "examples", "{shards:,}"),
        ("examples", "examples", "{:,} of at most {max_seq_length} tokens"),
        ("tokens", "tokens", "{:,}"),
        ("padding share", "padding_share", "{:.2%} if padded to the full length"),
        ("two segments", "two_segment_share", "{:.2%} of the examples"),
        ("[UNK] share", "unknown_share", "{:.3%} of the tokens of text"),
        ("cut off", "cut_share", "{:.2%} of the tokens of text"),
    ]
    named = {
        **numbers,
        "megabytes": numbers["bytes"] / 1e6,
        "shards": len(meta["shards"]),
        "max_seq_length": meta["max_seq_length"],
        "others": others,
    }
    rows = [row for row in rows if row[1] in numbers]
    if not meta.get("drop_duplicates"):
        rows = [row for row in rows if row[1] != "duplicate_documents"]
    if "segmenter" in meta and meta["segmenter"] != "none":
        named["segmenter"] = " ".join(filter(None, (meta["segmenter"], meta["segmenter_version"])))
        rows.append(("whole words", "tokens", "by {segmenter}"))
    width = max(len(title) for title, _, _ in rows)
    return "\n".join(
        f"{title:<{width}}  {text.format(numbers[name], **named)}" for title, name, text in rows
    )

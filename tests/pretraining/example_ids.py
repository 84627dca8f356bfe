"""The tokens of the examples that `ExampleBuilder` describes."""


def examples_of(builder, documents, cls_id, sep_id):
    """[(token ids, tokens of type 0), ...] of documents, lists of lists of token ids."""
    stream = [cls_id, sep_id]
    for lines in documents:
        ends = []
        for line in lines:
            stream += line
            ends.append(len(stream))
        builder.add_lines(ends)
        builder.end_document()
    (spans, lengths, first_lengths), _ = builder.take()
    parts = zip(spans[::2], spans[1::2], strict=True)
    tokens = [token for start, end in parts for token in stream[start:end]]
    examples = []
    for length, first_length in zip(lengths, first_lengths, strict=True):
        examples.append((tokens[:length], first_length))
        tokens = tokens[length:]
    assert not tokens
    return examples

"""Learning WordPiece pieces: the most frequent neighbours are joined, again and again.

The trainers of the `tokenizers` library walk hash maps in an order that changes from run to run,
which shows in the result wherever two pairs are equally frequent.  Here ties go to the
alphabetically first pair, so the same words always give the same pieces.
"""

import heapq
import itertools
from collections import defaultdict


def split_word(word):
    """A word as single-character pieces: ``abc`` -> ``[a, ##b, ##c]``."""
    return [word[0], *("##" + character for character in word[1:])]


def joined(first, second):
    """The piece that two neighbouring pieces make."""
    return first + second[2:]


def learn_pieces(words, limit, min_frequency, on_piece=lambda: None):
    """The first ``limit`` pieces of several characters, most useful first.

    Args:
        words: {word: count}.
        limit: at most so many pieces.
        min_frequency: stop when the best pair of neighbours occurs less often.
        on_piece: called after each new piece, for a progress bar.
    Returns:
        List of pieces, those inside a word with ``##`` in front.
    """
    ordered = sorted(words.items())
    splits = [split_word(word) for word, _ in ordered]
    counts = [count for _, count in ordered]
    frequency, places = _count_pairs(splits, counts)
    queue = [(-count, pair) for pair, count in frequency.items() if count >= min_frequency]
    heapq.heapify(queue)
    pieces = {}
    while queue and len(pieces) < limit:
        count, pair = heapq.heappop(queue)
        if -count != frequency.get(pair):
            continue  # an old entry: the pair became rarer or more frequent since
        changed = set()
        for number in places.pop(pair):
            changed |= _join_in_word(splits, number, counts[number], pair, frequency, places)
        frequency.pop(pair, None)
        for neighbour in changed:
            if frequency.get(neighbour, 0) >= min_frequency:
                heapq.heappush(queue, (-frequency[neighbour], neighbour))
        piece = joined(*pair)
        if piece not in pieces:  # another pair can make the same piece
            pieces[piece] = True
            on_piece()
    return list(pieces)


def _count_pairs(splits, counts):
    """({pair: how often}, {pair: numbers of the words it is in})."""
    frequency, places = defaultdict(int), defaultdict(set)
    for number, (split, count) in enumerate(zip(splits, counts, strict=True)):
        for pair in itertools.pairwise(split):
            frequency[pair] += count
            places[pair].add(number)
    return frequency, places


def _join_in_word(splits, number, count, pair, frequency, places):
    """Join ``pair`` wherever it stands in one word; returns the pairs whose count changed."""
    old = splits[number]
    new, position = [], 0
    while position < len(old):
        if tuple(old[position : position + 2]) == pair:
            new.append(joined(*pair))
            position += 2
        else:
            new.append(old[position])
            position += 1
    splits[number] = new
    before = list(itertools.pairwise(old))
    after = list(itertools.pairwise(new))
    for neighbour in before:
        frequency[neighbour] -= count
        if neighbour != pair:
            places[neighbour].discard(number)
    for neighbour in after:
        frequency[neighbour] += count
        places[neighbour].add(number)
    return {*before, *after}

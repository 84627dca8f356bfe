"""Questions to windows: [CLS] question [SEP] a stretch of the context [SEP].

Two ways of finding the answer's tokens: ``spans="offsets"`` (default) by characters, and
``spans="hfl"`` as the original, by the first place where the answer's tokens occur, in words that
white space separates (PARITY 22).  Windows themselves are the same in both (PARITY 23).
"""

import dataclasses

import numpy as np

SPANS = ("offsets", "hfl")
# What separates words in the original's `is_whitespace`.
_SPACES = frozenset(" \t\r\n\u202f")
_BETWEEN = "no window holds the whole answer; a smaller --doc-stride makes them overlap more"
DOCUMENT_START = 2  # [CLS] and the [SEP] after the question


@dataclasses.dataclass(slots=True)
class Document:
    """A context as tokens.

    Attributes:
        ids: [n] int32 token ids.
        starts, ends: [n] characters of the context (spans="offsets"), else None.
        tokens: their texts (spans="hfl"), else None.
        words: the words, and ``word_of`` [n] the word of each token (spans="hfl"), else None.
    """

    ids: np.ndarray
    starts: np.ndarray | None = None
    ends: np.ndarray | None = None
    tokens: list | None = None
    words: list | None = None
    word_of: np.ndarray | None = None


@dataclasses.dataclass(slots=True)
class Window:
    """What the model takes, and how to get back to the context.

    Attributes:
        question: its number among the examples; number: its own among the question's windows.
        query_ids: [q] int32; document: the `Document`; first, length: its tokens in this window.
        start, end: token positions in the window of the answer, 0 and 0 when it is not in it.
        is_impossible: 1 for a question without an answer.
        max_context: [length] bool, whether this window shows the token with the most context.
    """

    question: int
    number: int
    query_ids: np.ndarray
    document: Document
    first: int
    length: int
    start: int
    end: int
    is_impossible: int
    max_context: np.ndarray

    def __len__(self):
        return len(self.query_ids) + self.length + 3

    @property
    def offset(self):
        """The position in the window of the first token of the document."""
        return len(self.query_ids) + DOCUMENT_START


class Featurizer:
    """Makes windows.

    Args:
        tokenizer: an `ElectraTokenizer`.
        max_seq_length: tokens of a window, the special ones counted.
        max_query_length: tokens of the question, longer ones are cut.
        doc_stride: tokens from the start of a window to the next one's.
        spans: see the module.
    """

    def __init__(
        self, tokenizer, max_seq_length, max_query_length=64, doc_stride=128, spans="offsets"
    ):
        self.tokenizer = tokenizer
        self.max_seq_length = max_seq_length
        self.max_query_length = max_query_length
        self.doc_stride = doc_stride
        self.spans = spans

    def windows(self, questions, training):
        """All windows of ``questions``.

        Args:
            questions: list of `questions.Question`.
            training: look for the first answer of each; the original does in its training split
                only, and leaves out the questions whose answer it cannot find.
        Returns:
            (list of `Window`, {problem: [ids of the questions that have it]}).
        """
        documents = self._documents([question.context for question in questions])
        queries = self.tokenizer.encode_plain_batch([q.question for q in questions])
        windows, problems = [], {}
        for number, (question, query) in enumerate(zip(questions, queries, strict=True)):
            document, gold, problem = documents[question.context], None, None
            if training and not question.is_impossible:
                gold, problem = self._find(document, question)
            if problem is not None:
                problems.setdefault(problem, []).append(question.id)
                if gold is None:
                    continue
            query = np.array(query[: self.max_query_length], np.int32)
            own = list(self._cut(number, question, query, document, gold))
            if gold is not None and self.spans == "offsets" and not any(w.end for w in own):
                problems.setdefault(_BETWEEN, []).append(question.id)
            windows += own
        return windows, problems

    def _documents(self, contexts):
        """{context: `Document`}; many questions share one."""
        distinct = list(dict.fromkeys(contexts))
        if self.spans == "hfl":
            return {context: self._document_of_words(context) for context in distinct}
        found = {}
        for context, encoding in zip(distinct, self.tokenizer.encode_batch(distinct), strict=True):
            offsets = np.array(encoding.offsets[1:-1], np.int32).reshape(-1, 2)
            ids = np.array(encoding.ids[1:-1], np.int32)
            found[context] = Document(ids, offsets[:, 0], offsets[:, 1])
        return found

    def _document_of_words(self, context):
        words, _ = split_words(context)
        pieces = self.tokenizer.encode_plain_batch(words)
        ids = np.array([number for piece in pieces for number in piece], np.int32)
        word_of = np.repeat(np.arange(len(words)), [len(piece) for piece in pieces])
        tokens = self.tokenizer.convert_ids_to_tokens(ids.tolist())
        return Document(ids, tokens=tokens, words=words, word_of=word_of)

    def _find(self, document, question):
        """((first token, last token) or None, problem or None) of the first answer."""
        answer = question.answers[0]
        if self.spans == "hfl":
            return self._find_as_hfl(document, question, answer)
        place, problem = locate(question.context, answer)
        if place is None:
            return None, problem
        start, end = place
        inside = np.flatnonzero((document.ends > start) & (document.starts < end))
        if not len(inside):
            return None, "the answer has no token"
        return (int(inside[0]), int(inside[-1])), problem

    def _find_as_hfl(self, document, question, answer):
        words, word_at = split_words(question.context)
        start, last = answer.start or 0, (answer.start or 0) + len(answer.text) - 1
        if last >= len(word_at):
            return None, "End position is out of document!"
        if min(start, last) < -len(word_at) or start >= len(word_at):
            return None, "Could not find answer"  # where the original ends with an IndexError
        first_word, last_word = word_at[start], word_at[last]
        actual = " ".join(words[first_word : last_word + 1]).lower()
        if " ".join(_split(answer.text)).lower() not in actual:
            return None, "Could not find answer"
        tokens = np.flatnonzero((document.word_of >= first_word) & (document.word_of <= last_word))
        if not len(tokens):
            return None, "the answer's words have no token"
        first, final = int(tokens[0]), int(tokens[-1])
        wanted = self.tokenizer.tokenize(answer.text)
        for begin in range(first, final + 2 - len(wanted)) if wanted else ():
            if document.tokens[begin : begin + len(wanted)] == wanted:
                return (begin, begin + len(wanted) - 1), None
        return (first, final), None

    def _cut(self, number, question, query, document, gold):
        size, total = self.max_seq_length - len(query) - 3, len(document.ids)
        stretches, first = [], 0
        while first < total:
            length = min(total - first, size)
            stretches.append((first, length))
            if first + length == total:
                break
            first += min(length, self.doc_stride)
        best = most_context(stretches, total)
        for place, (first, length) in enumerate(stretches):
            start = end = 0
            if gold is not None and first <= gold[0] and gold[1] < first + length:
                shift = len(query) + DOCUMENT_START - first
                start, end = gold[0] + shift, gold[1] + shift
            yield Window(
                number,
                place,
                query,
                document,
                first,
                length,
                start,
                end,
                int(question.is_impossible),
                best[first : first + length] == place,
            )


def most_context(stretches, total):
    """For each of ``total`` tokens the stretch in which it has the most context, [total].

    The context of a token is the smaller of what lies left and right of it, plus a hundredth of
    the stretch's length; of equals the first counts (original: `_check_is_max_context`).
    """
    best, score = np.full(total, -1), np.full(total, -1.0)
    for number, (first, length) in enumerate(stretches):
        left = np.arange(length)
        here = np.minimum(left, left[::-1]) + 0.01 * length
        places = slice(first, first + length)
        better = here > score[places]
        best[places][better] = number
        score[places][better] = here[better]
    return best


def split_words(context):
    """(words, the number of the word at or before each character), as the original splits them."""
    words, word_at, fresh = [], [], True
    for character in context:
        if character in _SPACES:
            fresh = True
        else:
            if fresh:
                words.append([])
            words[-1].append(character)
            fresh = False
        word_at.append(len(words) - 1)
    return ["".join(word) for word in words], word_at


def _split(text):
    """The original's `whitespace_tokenize`: any white space separates."""
    return text.strip().split()


def locate(context, answer):
    """Where an answer stands: ((start, end) in characters or None, what was wrong or None).

    White space around the answer does not count.  Where the file's place is wrong, the occurrence
    nearest to it is taken, the first one if it gives none (PARITY 22: CMRC has such).
    """
    text = answer.text.strip()
    if not text:
        return None, "the answer is empty; not trained on"
    start = answer.start
    if start is not None and start >= 0:
        start += len(answer.text) - len(answer.text.lstrip())
        if context[start : start + len(text)] == text:
            return (start, start + len(text)), None
    places = _occurrences(context, text)
    if not places:
        return None, "the answer does not occur in the context; not trained on"
    given = start is not None and start >= 0
    place = min(places, key=lambda p: abs(p - start)) if given else places[0]
    problem = None if start is None else "answer_start was wrong, the answer was searched"
    return (place, place + len(text)), problem


def _occurrences(context, text):
    places, place = [], context.find(text)
    while place >= 0:
        places.append(place)
        place = context.find(text, place + 1)
    return places

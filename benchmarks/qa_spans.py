"""Do gold answers survive being made into windows?  A file of results for real data.

    python benchmarks/qa_spans.py --vocab VOCAB --data cmrc/train.json cmrc/dev.json drcd/dev.json

Every answer of every question is put through `windows.Featurizer` (spans by characters, the
default) and cut out of the context again from each window that holds it.  Exceptions are listed
by id with their reason; an answer that begins or ends inside a token comes back with that whole
token.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from record import header  # noqa: E402

from paddle_electra.finetuning.questions import read_questions  # noqa: E402
from paddle_electra.text.tokenizer import ElectraTokenizer  # noqa: E402
from paddle_electra.text.windows import Featurizer, locate  # noqa: E402

MOST_LISTED = 20


def one_answer_each(questions):
    """A question for every answer, with an id of its own."""
    return [
        dataclasses.replace(question, id=f"{question.id}, answer {number + 1}", answers=(answer,))
        for question in questions
        for number, answer in enumerate(question.answers)
    ]


def came_back(windows, questions):
    """{number of the question: set of what its windows' spans are in the context}."""
    found = {}
    for window in windows:
        if window.end:
            shift, document = window.first - window.offset, window.document
            start, end = document.starts[window.start + shift], document.ends[window.end + shift]
            text = questions[window.question].context[start:end]
            found.setdefault(window.question, set()).add(text)
    return found


def examine(path, tokenizer, length):
    """Lines of the report on one file."""
    questions = one_answer_each(read_questions(path))
    windows, problems = Featurizer(tokenizer, length).windows(questions, training=True)
    found, exact, exceptions = came_back(windows, questions), 0, []
    unusable = 0
    for number, question in enumerate(questions):
        (place, _), answer = locate(question.context, question.answers[0]), question.answers[0]
        if place is None:
            unusable += 1
            continue
        wanted = answer.text.strip()
        if found.get(number) == {wanted}:
            exact += 1
        elif number in found:
            more = max(map(len, found[number])) - len(wanted)
            exceptions.append(
                (question.id, f"begins or ends inside a token, {more} more characters")
            )
        else:
            exceptions.append((question.id, "no window holds the whole answer"))
    usable = len(questions) - unusable
    name = f"{path.parent.name}/{path.name}"
    yield f"## {name}, length {length}\n"
    yield f"- {len(questions):,} answers, {unusable} unusable (they do not occur in the context)"
    for problem, ids in problems.items():
        yield f"- {len(ids)}: {problem}"
    share = 100 * exact / usable
    yield f"- {exact:,} of {usable:,} come back character for character: {share:.3f} %"
    yield f"- exceptions: {len(exceptions)}"
    for question, reason in exceptions[:MOST_LISTED]:
        yield f"  - {question}: {reason}"
    if len(exceptions) > MOST_LISTED:
        yield f"  - and {len(exceptions) - MOST_LISTED} more"
    yield ""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vocab", required=True)
    parser.add_argument("--data", required=True, nargs="+")
    parser.add_argument("--lengths", type=int, nargs="+", default=[512, 128])
    options = parser.parse_args()
    tokenizer = ElectraTokenizer(options.vocab)
    names = " ".join(f"{Path(p).parent.name}/{Path(p).name}" for p in options.data)
    print(header("Gold answers through windows and back", f"python benchmarks/qa_spans.py {names}"))
    for path in options.data:
        for length in options.lengths:
            print("\n".join(examine(Path(path), tokenizer, length)))


if __name__ == "__main__":
    main()

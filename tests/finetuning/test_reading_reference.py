"""Reading comprehension against the recordings: windows, answers, projection, scores."""

import gzip
import json

import numpy as np
import pytest

from paddle_electra.finetuning import reading_scores
from paddle_electra.finetuning.questions import read_questions
from paddle_electra.text import answers
from paddle_electra.text.tokenizer import ElectraTokenizer
from paddle_electra.text.windows import Featurizer

pytestmark = pytest.mark.reference


def read_gz(path):
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        return json.load(handle)


@pytest.fixture(scope="module")
def tokenizer(oracle):
    return ElectraTokenizer(oracle / "vocab.txt")


@pytest.fixture(scope="module")
def questions(oracle, tmp_path_factory):
    """{task: list of Question} of every recorded file."""
    found = {}
    for packed in sorted((oracle / "qa").glob("*_questions.json.gz")):
        path = tmp_path_factory.mktemp("qa") / packed.stem
        path.write_text(json.dumps(read_gz(packed)), "utf-8")
        found[packed.name.partition("_")[0]] = read_questions(path, rows="hfl", needs_answers=False)
    assert found
    return found


def featurizer(tokenizer, settings):
    return Featurizer(
        tokenizer,
        settings["max_seq_length"],
        settings.get("max_query_length", 64),
        settings["doc_stride"],
        spans="hfl",
    )


def arrays_of(window, length, tokenizer):
    ids = [tokenizer.cls_id, *window.query_ids, tokenizer.sep_id]
    shown = window.document.ids[window.first : window.first + window.length]
    types = [0] * len(ids) + [1] * (len(shown) + 1)
    ids = [*ids, *shown, tokenizer.sep_id]
    padding = [0] * (length - len(ids))
    return ids + padding, [1] * len(ids) + padding, types + padding


def test_every_window_is_the_originals(oracle, tokenizer, questions):
    files = sorted((oracle / "qa").glob("*_features.npz"))
    assert files
    for file in files:
        recorded = dict(np.load(file))
        meta = read_gz(file.with_name(file.name.replace("_features.npz", "_meta.json.gz")))
        length, task = meta["max_seq_length"], meta["task"]
        windows, problems = featurizer(tokenizer, meta).windows(questions[task], training=True)
        dropped = [name for names in problems.values() for name in names]
        assert sorted(dropped) == sorted(meta["dropped_in_training"])
        assert len(windows) == len(recorded["input_ids"])
        # The original numbers its training examples without those it dropped.
        names = [q.id for q in questions[task] if q.id not in set(dropped)]
        numbers = {name: number for number, name in enumerate(names)}
        for row, window in enumerate(windows):
            ids, mask, types = arrays_of(window, length, tokenizer)
            assert ids == recorded["input_ids"][row].tolist()
            assert mask == recorded["input_mask"][row].tolist()
            assert types == recorded["segment_ids"][row].tolist()
            assert window.start == recorded["start_positions"][row]
            assert window.end == recorded["end_positions"][row]
            assert window.is_impossible == recorded["is_impossible"][row]
            assert window.number == recorded["doc_span_index"][row]
            name = questions[task][window.question].id
            assert name == meta["feature_qas_id"][row]
            assert 1000 * numbers[name] + window.number == recorded["eid"][row]
            assert len(window) == recorded["n_tokens"][row]
            places = np.full(length, -1)
            context = np.full(length, -1)
            shown = slice(window.offset, window.offset + window.length)
            tokens = slice(window.first, window.first + window.length)
            places[shown] = window.document.word_of[tokens]
            context[shown] = window.max_context
            assert (places == recorded["token_to_orig_map"][row]).all()
            assert (context == recorded["token_is_max_context"][row]).all()


def recorded_outputs(arrays, row):
    if "start_logits" in arrays:
        scores = arrays["start_logits"][row], arrays["end_logits"][row]
        return answers.Outputs(None, scores[0], None, scores[1])
    return answers.Outputs(
        arrays["start_top_index"][row],
        arrays["start_top_log_probs"][row],
        arrays["end_top_index"][row],
        arrays["end_top_log_probs"][row],
    )


def test_every_answer_and_every_n_best_list_is_the_originals(oracle, tokenizer, questions):
    files = sorted((oracle / "answers").glob("*_expected.json.gz"))
    assert files
    for file in files:
        expected = read_gz(file)
        arrays = dict(np.load(file.with_name(file.name.replace("expected.json.gz", "logits.npz"))))
        row_of = {int(eid): row for row, eid in enumerate(arrays["eid"])}
        every = questions[expected["task"]]
        windows, _ = featurizer(tokenizer, expected).windows(every, training=False)
        groups = answers.group_by_question(windows)
        for number, question in enumerate(every):
            if question.id not in expected["predictions"]:
                continue
            own = [windows[index] for index in groups[number]]
            outputs = [recorded_outputs(arrays, row_of[1000 * number + w.number]) for w in own]
            found = answers.best_answers(
                question, own, outputs, expected["n_best_size"], expected["max_answer_length"]
            )
            assert found[0].text == expected["predictions"][question.id]
            wanted = expected["nbest"][question.id]
            assert [candidate.text for candidate in found] == [item["text"] for item in wanted]
            for candidate, item in zip(found, wanted, strict=True):
                assert candidate.start_logit == pytest.approx(item["start_logit"], abs=1e-6)
                assert candidate.end_logit == pytest.approx(item["end_logit"], abs=1e-6)
                assert candidate.probability == pytest.approx(item["probability"], abs=1e-6)


def test_projection_into_the_original_text(oracle):
    cases = read_gz(oracle / "answers" / "final_text_cases.json.gz")
    assert cases
    for case in cases:
        assert answers.project(case["pred_text"], case["orig_text"]) == case["result"], case


def test_segments_and_runs(oracle):
    expected = read_gz(oracle / "eval" / "expected.json.gz")
    for case in expected["segmentation_cases"]:
        assert reading_scores.segments(case["text"]) == case["segments"], case
        kept = reading_scores.segments(case["text"], drop_punctuation=False)
        assert kept == case["segments_keep_punc"], case
        assert reading_scores.without_punctuation(case["text"]) == case["no_punc"], case
    for one, other, run, length in expected["find_lcs_cases"]:
        assert "".join(reading_scores.longest_common_run(one, other)) == "".join(run)
        assert len(run) == length


def test_every_score(oracle, questions):
    expected = read_gz(oracle / "eval" / "expected.json.gz")["results"]
    predictions = read_gz(oracle / "eval" / "predictions.json.gz")
    compared = 0
    for task, files in expected.items():
        gold = {q.id: [answer.text for answer in q.answers] for q in questions[task]}
        contexts = {q.id: q.context for q in questions[task]}
        for name, wanted in files.items():
            given = contexts if name == "context" else predictions[task][name]
            found = reading_scores.evaluate(gold, given)
            assert (found["total"], found["skipped"]) == (wanted["TOTAL"], wanted["SKIP"])
            splitter = set(wanted["sentence_splitter_sensitive"])
            for key, (f1, em) in wanted["per_question"].items():
                if key in splitter or key not in given:
                    continue
                assert reading_scores.f1(gold[key], given[key]) == pytest.approx(f1, abs=1e-12)
                assert reading_scores.exact_match(gold[key], given[key]) == em
                compared += 1
            assert found["f1"] == pytest.approx(wanted["f1"], abs=1e-9)
            assert found["em"] == pytest.approx(wanted["em"], abs=1e-9)
    assert compared > 1000

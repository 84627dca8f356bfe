"""Reading comprehension as a kind of task: windows, head, loss, answers, scores.

It has the interface of `classification.SequenceClassification`; a feature is a window, of which a
question has several.
"""

import numpy as np
import paddle
import paddle.nn.functional as F

from ..files import write_json
from ..modeling.reading import ElectraForQuestionAnswering
from ..text.answers import Outputs, best_answers, group_by_question
from ..text.windows import Featurizer
from . import reading_scores, window_cache
from .padding import padded_length


class ReadingComprehension:
    """A span of the context for a question (original: `QATask`, CMRC 2018 and DRCD).

    Args:
        task: a `tasks.Task`.
        tokenizer: an `ElectraTokenizer`.
        max_seq_length: tokens of a window.
        options: what else fine-tuning was told: ``max_query_length``, ``doc_stride``, ``spans``,
            ``n_best_size``, ``max_answer_length``, ``beam_size``, ``joint_prediction``,
            ``answerable_classifier``, ``answerable_uses_start_logits``, ``answerable_weight``;
            those of the original.
    """

    def __init__(self, task, tokenizer, max_seq_length, options):
        self.task, self.tokenizer, self.max_seq_length = task, tokenizer, max_seq_length
        self.options = options
        self.featurizer = Featurizer(
            tokenizer,
            max_seq_length,
            options.max_query_length,
            options.doc_stride,
            options.spans,
        )

    def prepare(self, examples, split):
        """Questions to windows; prints which answers of a training split could not be used."""
        windows, problems = self.featurizer.windows(examples, training=split == "train")
        notes = []
        for problem, names in problems.items():
            shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            notes.append(f"{split}: {len(names)} of {len(examples)} questions: {problem} ({shown})")
        return _said(window_cache.Windows(windows, notes))

    def cache_key(self):
        """The settings on which windows depend; see `cache`."""
        names = ("max_query_length", "doc_stride", "spans")
        return {name: getattr(self.featurizer, name) for name in names}

    def pack(self, windows):
        """Windows to few flat arrays; see `cache`."""
        return window_cache.pack(windows)

    def unpack(self, arrays, examples):
        """The windows that `pack` packed; prints again what `prepare` printed."""
        return _said(window_cache.unpack(arrays, examples, self.tokenizer))

    def collate(self, windows):
        """A batch, padded to its longest window (rounded up to a multiple of 8).

        Returns:
            dict of int64 tensors: input_ids, token_type_ids, attention_mask (batch, length),
            start, end, is_impossible (batch,).
        """
        length = padded_length(windows, self.max_seq_length)
        ids = np.full((len(windows), length), self.tokenizer.pad_id, np.int64)
        types, mask = np.zeros_like(ids), np.zeros_like(ids)
        for row, window in enumerate(windows):
            separator = window.offset - 1
            shown = window.document.ids[window.first : window.first + window.length]
            ids[row, 0] = self.tokenizer.cls_id
            ids[row, 1:separator] = window.query_ids
            ids[row, [separator, len(window) - 1]] = self.tokenizer.sep_id
            ids[row, window.offset : window.offset + window.length] = shown
            types[row, window.offset : len(window)] = 1
            mask[row, : len(window)] = 1
        arrays = {"input_ids": ids, "token_type_ids": types, "attention_mask": mask}
        for name in ("start", "end", "is_impossible"):
            arrays[name] = np.array([getattr(window, name) for window in windows], np.int64)
        return {name: paddle.to_tensor(array) for name, array in arrays.items()}

    def build_model(self, config):
        """An untrained model with the reading head."""
        return ElectraForQuestionAnswering(
            config,
            self.options.joint_prediction,
            self.options.beam_size,
            self.options.answerable_classifier,
            self.options.answerable_uses_start_logits,
        )

    def losses(self, model, batch):
        """(start + end) / 2 + 0.5 * answerability of each window, (batch,)."""
        logits = model(*_inputs(batch), batch["start"])
        start = F.cross_entropy(logits.start, batch["start"], reduction="none")
        end = F.cross_entropy(logits.end, batch["end"], reduction="none")
        losses = (start + end).squeeze(-1) / 2 if start.ndim > 1 else (start + end) / 2
        if self.options.answerable_classifier:
            wanted = batch["is_impossible"].astype(logits.answerable.dtype)
            losses = losses + self.options.answerable_weight * (
                F.binary_cross_entropy_with_logits(logits.answerable, wanted, reduction="none")
            )
        return losses

    def predict(self, model, batch):
        """`answers.Outputs` of each window."""
        found = model(*_inputs(batch))
        if self.options.joint_prediction:
            arrays = [tensor.numpy() for tensor in found]
            return [Outputs(*row) for row in zip(*arrays, strict=True)]
        start, end, answerable = (tensor.numpy() for tensor in found)
        rows = zip(start, end, answerable, strict=True)
        return [Outputs(None, one, None, other, third) for one, other, third in rows]

    def candidates(self, examples, windows, outputs):
        """{question id: list of `answers.Candidate`}, best first."""
        groups = group_by_question(windows)
        return {
            question.id: best_answers(
                question,
                [windows[index] for index in groups[number]],
                [outputs[index] for index in groups[number]],
                self.options.n_best_size,
                self.options.max_answer_length,
                self.tokenizer.do_lower_case,
            )
            for number, question in enumerate(examples)
        }

    def score(self, examples, windows, outputs):
        """EM and F1 in percent, and their mean, of the questions that have an answer.

        Empty when there is none.  The official score knows no questions without an answer; they
        are left out, and how many is said.
        """
        gold = {q.id: [answer.text for answer in q.answers] for q in examples if q.answers}
        if not gold:
            return {}
        if len(gold) < len(examples):
            left = len(examples) - len(gold)
            print(f"{left} of {len(examples)} questions have no answer and are not scored")
        found = self.candidates(examples, windows, outputs)
        best = {name: candidates[0].text for name, candidates in found.items()}
        scores = reading_scores.evaluate(gold, best)
        return {
            "em": scores["em"],
            "f1": scores["f1"],
            "average": (scores["em"] + scores["f1"]) / 2,
        }

    def collapse(self, outputs):
        """Nothing to warn of: answers have no classes."""
        return

    def write_predictions(self, folder, split, examples, windows, outputs):
        """``TASK_SPLIT_preds.json`` of {question id: answer}, as the original calls it, and
        ``TASK_SPLIT_nbest.json`` with what came close."""
        found = self.candidates(examples, windows, outputs)
        path = folder / f"{self.task.name}_{split}_preds.json"
        write_json(path, {name: candidates[0].text for name, candidates in found.items()})
        nbest = folder / f"{self.task.name}_{split}_nbest.json"
        write_json(nbest, {name: [c._asdict() for c in cs] for name, cs in found.items()})

    def describe(self):
        """What ``task.json`` says of the fine-tuned model."""
        names = ("max_query_length", "doc_stride", "n_best_size", "max_answer_length", "beam_size")
        names += ("spans",)
        return {
            "task": self.task.name,
            "kind": self.task.kind,
            "max_seq_length": self.max_seq_length,
            **{name: getattr(self.options, name) for name in (*names, "joint_prediction")},
            "answerable_classifier": self.options.answerable_classifier,
            "answerable_uses_start_logits": self.options.answerable_uses_start_logits,
        }


def _said(windows):
    for note in windows.notes:
        print(note)
    return windows


def _inputs(batch):
    return batch["input_ids"], batch["token_type_ids"], batch["attention_mask"]

"""Tagging: features, loss and scores against what they must be by hand, and whole trainings."""

import json
import random
import re

import numpy as np
import paddle
import pytest
from finetuning_data import CHARACTERS

from paddle_electra import checkpoint as checkpoints
from paddle_electra.config import from_dict
from paddle_electra.finetuning.cache import cached_features
from paddle_electra.finetuning.evaluation import predict_all
from paddle_electra.finetuning.loop import Trainer
from paddle_electra.finetuning.options import FinetuneOptions, resolve
from paddle_electra.finetuning.tag_files import TaggedExample, read_tags
from paddle_electra.finetuning.tagging import SequenceTagging, entity_scores
from paddle_electra.finetuning.tasks import Task
from paddle_electra.modeling.tagging import ElectraForTokenClassification
from paddle_electra.text.tokenizer import ElectraTokenizer

LABELS = ("O", "B-X", "I-X")
TASK = Task(
    name="mine",
    kind="token-cls",
    labels=LABELS,
    columns=("text_a", "label"),
    files={},
    metric="f1",
    reader=read_tags,
    chosen={"text_a": None, "label": None},
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """With words of one, two and three pieces: 的, ab + ##c, ab + ##c + ##c."""
    folder = tmp_path_factory.mktemp("vocab")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "ab", "##c", *CHARACTERS]
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens), "utf-8")
    return ElectraTokenizer(folder / "vocab.txt")


def kind_of(tokenizer, length=16):
    return SequenceTagging(TASK, tokenizer, length)


def example(words, labels=None, row=1):
    words = tuple(words.split(" ")) if isinstance(words, str) else tuple(words)
    return TaggedExample(row, words, None if labels is None else tuple(labels.split(" ")))


def tokens(kind, feature):
    return " ".join(kind.tokenizer.convert_ids_to_tokens(feature.input_ids.tolist()))


def test_labels_sit_on_first_pieces(tokenizer, capsys):
    kind = kind_of(tokenizer)
    words = ["abc", "\u200b", "[CLS]", "的一"]
    (feature,) = kind.prepare([example(words, "B-X I-X O B-X")], "train")
    assert tokens(kind, feature) == "[CLS] ab ##c [UNK] [UNK] [UNK] [UNK] 的 一 [SEP]"
    assert feature.starts.tolist() == [1, 3, 4, 7]
    assert feature.labels.tolist() == [1, 2, 0, 1]
    assert not feature.token_type_ids.any()
    assert len(feature) == len(feature.token_type_ids) == 10
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("length", "expected", "kept"),
    [
        (7, "[CLS] 的 ab ##c 一 是 [SEP]", 4),
        (6, "[CLS] 的 ab ##c 一 [SEP]", 3),
        (5, "[CLS] 的 ab ##c [SEP]", 2),
        (4, "[CLS] 的 [SEP]", 1),
        (3, "[CLS] 的 [SEP]", 1),
    ],
)
def test_cut_between_two_words(tokenizer, capsys, length, expected, kept):
    """Every place is used, which the original's comparison does not do."""
    kind = kind_of(tokenizer, length)
    examples = [example("的 abc 一 是", "O B-X O O"), example("的", "O")]
    feature, _ = kind.prepare(examples, "dev")
    assert tokens(kind, feature) == expected
    assert len(feature.starts) == len(feature.labels) == kept
    out = capsys.readouterr().out
    assert out.count("\n") == (kept < 4)
    if kept < 4:
        assert out.startswith(f"dev: 1 of 2 examples are longer than --max-seq-length {length}: ")
        assert f"{4 - kept} words" in out


def test_a_first_word_that_does_not_fit(tokenizer, pretrained):
    kind = kind_of(tokenizer, 3)
    examples = [example("abcc 的", "B-X O"), example("的", "O")]
    features = kind.prepare(examples, "train")
    assert tokens(kind, features[0]) == "[CLS] [SEP]"
    model = kind.build_model(checkpoints.load(pretrained).config)
    model.eval()
    losses = kind.losses(model, kind.collate(features)).numpy()
    assert losses[0] == 0 < losses[1]
    outputs = predict_all(kind, model, features, 2)
    assert [output.shape for output in outputs] == [(0, 3), (1, 3)]
    assert set(kind.score(examples, features, outputs)) > {"f1", "loss"}


def labelled(kind):
    """Sentences of several lengths, words of several pieces."""
    examples = [
        example("abc 的 一 abcc 是", "B-X I-X O B-X O"),
        example("的 abc", "O B-X"),
        example("一 " * 11 + "一", " ".join(["O", "B-X", "I-X"] * 4)),
    ]
    return examples, kind.prepare(examples, "dev")


def test_the_loss_is_the_sum_of_the_words(tokenizer, pretrained):
    kind = kind_of(tokenizer)
    _, features = labelled(kind)
    paddle.seed(1)
    model = kind.build_model(checkpoints.load(pretrained).config)
    model.eval()
    batch = kind.collate(features)
    logits = kind._logits(model, batch)
    assert logits.shape == [3, 16, 3]
    logits.stop_gradient = False
    model_of = lambda *inputs: logits  # noqa: E731
    losses = kind.losses(model_of, batch)
    scores = np.exp(logits.numpy().astype(np.float64))
    expected = [
        -sum(
            np.log(scores[row, place, label] / scores[row, place].sum())
            for place, label in zip(feature.starts, feature.labels, strict=True)
        )
        for row, feature in enumerate(features)
    ]
    np.testing.assert_allclose(losses.numpy(), expected, rtol=1e-5)

    (gradient,) = paddle.grad(losses.sum(), logits)
    touched = (gradient.numpy() != 0).any(-1)
    np.testing.assert_array_equal(touched, batch["word_starts"].numpy().astype(bool))


def test_predictions_and_padding(tokenizer, pretrained):
    """One row a word, and the same whatever stands in the batch beside it."""
    kind = kind_of(tokenizer)
    _, features = labelled(kind)
    model = kind.build_model(checkpoints.load(pretrained).config)
    model.eval()
    batch = kind.collate(features)
    for feature, output, loss in zip(
        features, kind.predict(model, batch), kind.losses(model, batch), strict=True
    ):
        assert output.shape == (len(feature.starts), 3)
        np.testing.assert_allclose(np.exp(output).sum(-1), 1, rtol=1e-5)
        alone = kind.collate([feature])
        np.testing.assert_allclose(kind.predict(model, alone)[0], output, atol=1e-5)
        np.testing.assert_allclose(kind.losses(model, alone)[0], loss, rtol=1e-5)
        by_hand = -output[np.arange(len(output)), feature.labels].sum()
        np.testing.assert_allclose(by_hand, float(loss), rtol=1e-5)


def test_head_is_one_dense_layer(pretrained):
    config = checkpoints.load(pretrained).config
    model = ElectraForTokenClassification(config, 5)
    head = {name: t.shape for name, t in model.state_dict().items() if "electra." not in name}
    assert head == {"classifier.weight": [32, 5], "classifier.bias": [5]}
    limit = (6 / (32 + 5)) ** 0.5
    assert limit * 0.8 < float(model.classifier.weight.abs().max()) <= limit
    assert not model.classifier.bias.numpy().any()
    model.train()
    model.electra.eval()
    ids = paddle.to_tensor([[2, 5, 6, 3]])
    assert (model(ids).numpy() == model(ids).numpy()).all()  # no dropout of its own


def sure_of(*labels):
    """Log-probabilities of a model that is nearly sure of these labels."""
    output = np.full((len(labels), 3), np.log(0.1), np.float32)
    output[np.arange(len(labels)), [LABELS.index(label) for label in labels]] = np.log(0.8)
    return output


def test_scores(tokenizer):
    """Words beyond the cut are O: the second sentence loses an entity by it."""
    kind = kind_of(tokenizer, 5)
    examples = [example("的 一 是", "B-X I-X O"), example("的 一 是 不 了", "O B-X O B-X O")]
    features = kind.prepare(examples, "dev")
    outputs = [sure_of("B-X", "I-X", "O"), sure_of("O", "B-X", "I-X")]
    scores = kind.score(examples, features, outputs)
    assert scores["precision"] == pytest.approx(100 * 1 / 2)
    assert scores["recall"] == pytest.approx(100 * 1 / 3)
    assert scores["f1"] == pytest.approx(100 * 2 / 5)
    assert scores["accuracy"] == pytest.approx(100 * 6 / 8)
    assert scores["loss"] == pytest.approx(-(5 * np.log(0.8) + np.log(0.1)) / 6, rel=1e-6)
    unlabelled = [examples[0], example("的")]
    assert kind.score(unlabelled, kind.prepare(unlabelled, "test"), outputs) == {}


def test_entities_begin_as_in_conlls_scorer(recwarn):
    assert entity_scores([["I-X", "I-X", "O"]], [["B-X", "I-X", "O"]])["f1"] == 100
    assert entity_scores([["B-X", "B-X", "O"]], [["B-X", "I-X", "O"]])["f1"] == 0
    assert entity_scores([["S-X", "B-X", "E-X"]], [["B-X", "B-X", "I-X"]])["f1"] == 100
    assert entity_scores([["B-X", "I-Y"]], [["B-X", "I-X"]])["recall"] == 0
    nothing = {"f1": 0.0, "precision": 0.0, "recall": 0.0}
    assert entity_scores([["O"]], [["O"]]) == nothing
    assert not [warning for warning in recwarn if "sklearn" in str(warning.category)]


def test_collapse(tokenizer):
    kind = kind_of(tokenizer)
    warning = kind.collapse([sure_of("O", "O"), sure_of("O")])
    assert warning.startswith("all 3 words are predicted 'O'")
    assert "'I-X'" in kind.collapse([sure_of("I-X"), sure_of("I-X")])
    assert kind.collapse([sure_of("O", "O"), sure_of("B-X")]) is None
    assert kind.collapse([sure_of("O")]) is None
    assert kind.collapse([sure_of(), sure_of()]) is None


def test_predictions_are_conlls_layout(tokenizer, tmp_path):
    kind = kind_of(tokenizer, 5)
    examples = [example("的 一 是 不", "B-X I-X O B-X"), example(["了\t \n", " "])]
    outputs = [sure_of("B-X", "O", "O"), sure_of("O", "I-X")]
    kind.write_predictions(tmp_path, "test", examples, None, outputs)
    text = (tmp_path / "predictions_test.tsv").read_text("utf-8")
    assert text == ("的\tB-X\tB-X\n一\tI-X\tO\n是\tO\tO\n不\tB-X\tO\n\n了   \t\tO\n \t\tI-X\n\n")
    again = read_tags(tmp_path / "predictions_test.tsv", TASK, "train")
    assert [example.labels for example in again] == [("B-X", "O", "O", "O"), ("O", "I-X")]


def test_features_come_back_from_the_cache(tokenizer, tmp_path, capsys):
    kind = kind_of(tokenizer, 6)
    source = tmp_path / "train.txt"
    source.write_text("x")
    for examples in (
        [example("的 abc 一 是", "O B-X O O"), example("abccc", "B-X")],
        [example("的 abc 一 是"), example("的")],
    ):
        made, loaded = (
            cached_features(kind, examples, "dev", source, tmp_path / "cache") for _ in range(2)
        )
        said = capsys.readouterr().out.splitlines()
        assert len(said) == 2
        assert said[0] == said[1]
        for one, other in zip(made, loaded, strict=True):
            for name in ("input_ids", "token_type_ids", "starts", "labels"):
                left, right = getattr(one, name), getattr(other, name)
                assert (left is None) == (right is None)
                if left is not None:
                    np.testing.assert_array_equal(left, right)
                    assert left.dtype == right.dtype == np.int64


def sentences(count, seed):
    """Entities are 中, and the character after it when that is 国."""
    source = random.Random(seed)
    for _ in range(count):
        text = "".join(source.choices(CHARACTERS, k=source.randint(2, 8)))
        text += source.choice(["", "中", "中国", "国"]) + source.choice(CHARACTERS)
        labels = ["O"] * len(text)
        for match in re.finditer("中国?", text):
            labels[match.start() : match.end()] = ["B-X", "I-X"][: len(match[0])]
        yield list(text), labels


def write(path, pairs):
    lines = {
        ".tsv": lambda words, labels: "\x02".join(words) + "\t" + "\x02".join(labels),
        ".csv": lambda words, labels: "".join(words) + "," + " ".join(labels),
        ".jsonl": lambda words, labels: json.dumps({"tokens": words, "tags": labels}),
        ".txt": lambda words, labels: "".join(map("{} {}\n".format, words, labels)),
    }[path.suffix]
    header = {".tsv": ["text_a\tlabel"], ".csv": ["text,labels"]}.get(path.suffix, [])
    text = "".join(f"{line}\n" for line in [*header, *(lines(*pair) for pair in pairs)])
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("ending", ["tsv", "csv", "jsonl", "txt"])
def test_learns_a_rule(pretrained, tmp_path, ending):
    train = TASK.read(write(tmp_path / f"train.{ending}", sentences(200, 1)), "train")
    dev = TASK.read(write(tmp_path / f"dev.{ending}", sentences(60, 2)), "dev")
    checkpoint = checkpoints.load(pretrained)
    values = {
        "task": "custom",
        "model": str(pretrained),
        "output": str(tmp_path / "out"),
        "learning_rate": 3e-3,
        "layerwise_lr_decay": 1.0,
        "train_batch_size": 16,
        "max_seq_length": 32,
    }
    options = resolve(from_dict(FinetuneOptions, values), checkpoint.config, [TASK])
    kind = SequenceTagging(TASK, ElectraTokenizer(checkpoint.vocab_file), 32, options)
    paddle.seed(1)
    model = kind.build_model(checkpoint.config)
    trainer = Trainer(kind, model, kind.prepare(train, "train"), options)
    while trainer.step < trainer.total_steps:
        trainer.train_step()
    features = kind.prepare(dev, "dev")
    outputs = predict_all(kind, model, features, 16)
    scores = kind.score(dev, features, outputs)
    assert scores["f1"] > 90
    assert scores["accuracy"] > 95
    assert kind.describe() == {
        "task": "mine",
        "kind": "token-cls",
        "labels": list(LABELS),
        "max_seq_length": 32,
        "num_classes": 3,
    }
    assert TASK.kind_class() is SequenceTagging

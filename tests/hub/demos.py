"""The demos of PaddleHub's documentation on a module of ours, and the published modules' answers.

Called by ``offline_hub.py``, in a process that cannot import paddle-electra.  The demos are those
of text classification, sequence labelling and text matching: a data set class of one's own,
``hub.Trainer``, and then ``predict`` with the parameters that it saved.
"""

import os

import paddle
import paddle.nn.functional as F
import paddlehub as hub
from offline_hub import VERSION
from paddlehub.datasets.base_nlp_dataset import (
    SeqLabelingDataset,
    TextClassificationDataset,
    TextMatchingDataset,
)
from paddlehub.module.nlp_module import TransformerModule
from paddlenlp.transformers import (
    ElectraConfig,
    ElectraForSequenceClassification,
    ElectraForTokenClassification,
    ElectraModel,
    ElectraTokenizer,
)

SPLIT = "\002"
REVIEWS = [
    ("1", "今天天气真好"),
    ("0", "太失望了。"),
    ("1", "菜做得很好吃"),
    ("0", "客服不理人"),
    ("1", "服务员十分热情，好"),
    ("0", "屏幕有划痕"),
]
TAGGED = [
    ("今天去公园", ["O", "O", "O", "B-LOC", "I-LOC"]),
    ("公园好吃", ["B-LOC", "I-LOC", "O", "O"]),
    ("我来这家饭店", ["O", "O", "O", "O", "B-LOC", "I-LOC"]),
]
PAIRS = [("天气好", "天气真好", "1"), ("屏幕有划痕", "菜好吃", "0"), ("来公园", "去公园", "1")]
TAGS = ["B-LOC", "I-LOC", "O"]
LENGTH = 24
ENGINE = "PADDLE_ELECTRA_ENGINE"


def write_data(folder):
    os.makedirs(folder)
    rows = {
        "cls.tsv": [("label", "text_a"), *REVIEWS],
        "seq.tsv": [("text_a", "label")]
        + [(SPLIT.join(text), SPLIT.join(labels)) for text, labels in TAGGED],
        "match.tsv": [("text_a", "text_b", "label"), *PAIRS],
    }
    for name, lines in rows.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as handle:
            handle.writelines("\t".join(line) + "\n" for line in lines)
    return folder


class Reviews(TextClassificationDataset):
    label_list = ("0", "1")

    def __init__(self, folder, tokenizer, mode="train"):
        super().__init__(
            base_path=folder,
            tokenizer=tokenizer,
            max_seq_len=LENGTH,
            mode=mode,
            data_file="cls.tsv",
            label_list=list(self.label_list),
            is_file_with_header=True,
        )


class Tags(SeqLabelingDataset):
    def __init__(self, folder, tokenizer, mode="train"):
        super().__init__(
            base_path=folder,
            tokenizer=tokenizer,
            max_seq_len=LENGTH,
            mode=mode,
            data_file="seq.tsv",
            label_list=TAGS,
            is_file_with_header=True,
        )


class Pairs(TextMatchingDataset):
    def __init__(self, folder, tokenizer, mode="train"):
        super().__init__(
            base_path=folder,
            tokenizer=tokenizer,
            max_seq_len=LENGTH,
            mode=mode,
            data_file="match.tsv",
            label_list=["0", "1"],
            is_file_with_header=True,
        )


def train_and_predict(name, task, dataset, folder, data, label_map):
    """What the two scripts of a demo do, and what the trained module answers beside it."""
    paddle.seed(1)
    model = hub.Module(name=name, version=VERSION, task=task, label_map=label_map)
    before = model.predict(data, max_seq_len=LENGTH, return_prob=True)[1]
    train = dataset(folder, model.get_tokenizer())
    dev = dataset(folder, model.get_tokenizer(), mode="dev")
    optimizer = paddle.optimizer.AdamW(learning_rate=2e-3, parameters=model.parameters())
    saved = os.path.join(folder, f"save-{task}")
    trainer = hub.Trainer(model, optimizer, checkpoint_dir=saved, use_gpu=False, use_vdl=False)
    trainer.train(
        train, epochs=30, batch_size=2, eval_dataset=dev, log_interval=1, save_interval=30
    )
    scores = trainer.evaluate(dev, batch_size=2)["metrics"]
    after = model.predict(data, max_seq_len=LENGTH, return_prob=True)

    best = os.path.join(saved, "best_model", "model.pdparams")
    again = hub.Module(name=name, task=task, load_checkpoint=best, label_map=label_map)
    by_name = hub.Module(
        name=name,
        task=task,
        load_checkpoint=os.path.dirname(best),
        label_map={str(number): label for number, label in label_map.items()},
    )
    return {
        "before": before,
        "after": after,
        "loaded": again.predict(data, max_seq_len=LENGTH, batch_size=1, return_prob=True),
        "from_folder": by_name.predict(data, LENGTH, SPLIT, 2, False, True),
        "scores": {key: float(value) for key, value in scores.items()},
        "best": best,
    }


def demos(name, folder):
    write_data(folder)
    texts = [[text] for _, text in REVIEWS]
    tagged = [[SPLIT.join(text)] for text, _ in TAGGED]
    pairs = [[first, second] for first, second, _ in PAIRS]
    labels = {0: "negative", 1: "positive"}
    answers = {
        "seq-cls": train_and_predict(name, "seq-cls", Reviews, folder, texts, labels),
        "token-cls": train_and_predict(
            name, "token-cls", Tags, folder, tagged, dict(enumerate(TAGS))
        ),
        "text-matching": train_and_predict(
            name, "text-matching", Pairs, folder, pairs, {0: "no", 1: "yes"}
        ),
    }
    resumed = hub.Module(name=name, task="seq-cls", label_map=labels)
    resumed.predict(texts)
    optimizer = paddle.optimizer.AdamW(parameters=resumed.parameters())
    saved = os.path.join(folder, "save-seq-cls")
    hub.Trainer(resumed, optimizer, checkpoint_dir=saved, use_gpu=False, use_vdl=False)
    answers["seq-cls"]["resumed"] = resumed.predict(texts, LENGTH, return_prob=True)
    answers["continued"] = continued(name, folder, texts, answers["seq-cls"]["best"])
    return answers


def continued(name, folder, texts, best):
    """A module that answers from a static graph, and is then trained on."""
    before = os.environ.pop(ENGINE, None)
    os.environ[ENGINE] = "static"
    model = hub.Module(name=name, task="seq-cls", load_checkpoint=best)
    found = {
        "engine": model.predictor.engine("task").name,
        "before": model.predict(texts, LENGTH, return_prob=True)[1],
    }
    train = Reviews(folder, model.get_tokenizer())
    optimizer = paddle.optimizer.AdamW(learning_rate=5e-2, parameters=model.parameters())
    saved = os.path.join(folder, "save-continued")
    trainer = hub.Trainer(model, optimizer, checkpoint_dir=saved, use_gpu=False, use_vdl=False)
    trainer.train(train, epochs=1, batch_size=2)
    found["after"] = model.predict(texts, LENGTH, return_prob=True)[1]
    ids, types, _ = zip(*train, strict=True)
    model.eval()
    found["forward"] = model(paddle.to_tensor(ids), paddle.to_tensor(types)).tolist()
    del os.environ[ENGINE]
    if before is not None:
        os.environ[ENGINE] = before
    return found


class Published(TransformerModule, paddle.nn.Layer):
    """What a published module does with PaddleNLP's networks, by its parts."""

    def __init__(self, task, label_map, network, tokenizer):
        super().__init__()
        self.task, self.label_map, self.model = task, label_map, network
        self.tokenizer = tokenizer
        if task == "text-matching":
            self.classifier = paddle.nn.Linear(3 * network.config["hidden_size"], 2)

    def forward(
        self,
        input_ids=None,
        token_type_ids=None,
        query_input_ids=None,
        query_token_type_ids=None,
        title_input_ids=None,
        title_token_type_ids=None,
    ):
        if self.task != "text-matching":
            outputs = self.model(input_ids, token_type_ids)
            return outputs if self.task is None else F.softmax(outputs, axis=-1)
        query = self._mean(query_input_ids, query_token_type_ids)
        title = self._mean(title_input_ids, title_token_type_ids)
        both = paddle.concat([query, title, paddle.abs(query - title)], axis=-1)
        return F.softmax(self.classifier(both))

    def _mean(self, ids, types):
        kept = (ids != 0).astype("float32").unsqueeze(2)
        return (self.model(ids, types) * kept).sum(1) / kept.sum(1)


def published(name, config, vocab, folder):
    """Answers of the published modules and of ours with their checkpoints, by task."""
    os.makedirs(folder)
    config = ElectraConfig(**config)
    tokenizer = ElectraTokenizer(vocab, do_lower_case=True)
    networks = {
        "seq-cls": (ElectraForSequenceClassification, 3, [[text] for _, text in REVIEWS]),
        "pair-cls": (ElectraForSequenceClassification, 2, [list(pair[:2]) for pair in PAIRS]),
        "token-cls": (
            ElectraForTokenClassification,
            len(TAGS),
            [[SPLIT.join(text)] for text, _ in TAGGED],
        ),
        "text-matching": (ElectraModel, 2, [list(pair[:2]) for pair in PAIRS]),
        None: (ElectraModel, 2, [[text] for _, text in REVIEWS]),
    }
    answers = {}
    for task, (network, classes, data) in networks.items():
        paddle.seed(classes)
        config.num_labels = classes
        labels = {number: f"label {number}" for number in range(classes)}
        theirs_task = "seq-cls" if task == "pair-cls" else task
        theirs = Published(theirs_task, labels, network(config), tokenizer)
        path = os.path.join(folder, f"{task}.pdparams")
        paddle.save(theirs.state_dict(), path)
        ours = hub.Module(name=name, task=task, load_checkpoint=path, label_map=labels)
        copy = [list(item) for item in data]  # their predict changes what it is given
        if task is None:
            answers["None"] = {
                "theirs": theirs.predict(copy, max_seq_len=LENGTH),
                "ours": ours.get_embedding(data),
            }
            continue
        answers[task] = {
            "theirs": theirs.predict(copy, max_seq_len=LENGTH, batch_size=2, return_prob=True),
            "ours": ours.predict(data, max_seq_len=LENGTH, batch_size=2, return_prob=True),
        }
        if task == "seq-cls":  # the head they trained can be trained on
            batch = paddle.to_tensor([[2, 5, 6, 3]]), paddle.zeros([1, 4], "int64")
            loss = ours.training_step([*batch, paddle.to_tensor([1])], 0)["loss"]
            loss.backward()
            answers[task]["trained"] = sorted(
                key for key, value in ours.named_parameters() if value.grad is not None
            )
    return answers

"""Corrupted sentences as people read them."""

import contextlib

import numpy as np
import pytest

from paddle_electra.pretraining.samples import corrupted_sample, write_samples
from paddle_electra.text.tokenizer import ElectraTokenizer
from paddle_electra.training.log import TrainingLog

TOKENS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *"今天气真好去花园。",
    "train",
    "##ing",
    "the",
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    path = tmp_path_factory.mktemp("vocab") / "vocab.txt"
    path.write_text("".join(f"{token}\n" for token in TOKENS), "utf-8")
    return ElectraTokenizer(path)


def sample(tokenizer, text, replaced=(), logits=(), masked=(), pair=None, padding=3):
    """The sample of a text; ``replaced`` {position: token}, ``logits`` {position: logit}."""
    ids = np.array(tokenizer.encode(text, pair).ids + [tokenizer.pad_id] * padding)
    seen, scores = ids.copy(), np.full(len(ids), -9.0, np.float32)
    for place, token in dict(replaced).items():
        seen[place] = tokenizer.vocab[token]
    for place, logit in dict(logits).items():
        scores[place] = logit
    return corrupted_sample(ids, seen, scores, np.array(masked, np.int64), tokenizer).splitlines()


def test_guesses_and_verdicts_stand_in_the_sentence(tokenizer):
    lines = sample(
        tokenizer,
        "今天天气真好。",
        replaced={3: "花", 6: "去"},
        logits={3: 2.0, 4: 0.5, 6: -2.0, 9: 5.0},  # 9 is padding
        masked=[6, 3, 5],
    )
    assert lines == [
        "3 guessed, 2 replaced: 1 found, 1 missed; 1 false alarm",
        "original       今天天气真好。",
        "generator      今天[天→花]气[真][好→去]。",
        "discriminator  今天[花 88% found][气 62% false alarm]真[去 12% missed]。",
    ]


def test_words_keep_their_spaces_and_pieces_stay_together(tokenizer):
    lines = sample(tokenizer, "the training 真", {3: "the"}, {4: 1.0}, [1, 3], pair="the 花")
    assert lines[1] == "original       the training真 [SEP] the花"
    assert lines[2] == "generator      [the] train[##ing→the]真 [SEP] the花"
    assert lines[3] == "discriminator  the train [the 0% missed][真 73% false alarm] [SEP] the花"


def test_a_special_token_shows_when_it_is_suspected(tokenizer):
    lines = sample(tokenizer, "今天", logits={0: 1.0, 3: 1.0}, padding=0)
    assert lines[3] == "discriminator  [[CLS] 73% false alarm]今天 [[SEP] 73% false alarm]"
    assert lines[1] == "original       今天"
    assert lines[0].endswith("2 false alarms")


def test_an_example_of_nothing_but_padding(tokenizer):
    nothing = np.zeros(4, np.int64)
    lines = corrupted_sample(nothing, nothing, np.zeros(4), nothing[:0], tokenizer).splitlines()
    assert lines[0].startswith("0 guessed, 0 replaced")


def test_samples_go_to_a_file_and_to_visualdl(tmp_path):
    from visualdl import LogReader

    with contextlib.closing(TrainingLog(tmp_path)) as log:
        path = write_samples(tmp_path, 1000, ["一\n二", "三"], log)
    assert path == tmp_path / "samples" / "step-00001000.txt"
    assert path.read_text("utf-8") == "一\n二\n\n三\n"
    (file,) = (tmp_path / "visualdl").iterdir()
    (text,) = LogReader(file_path=str(file)).get_data("text", "samples")
    assert (text.id, text.text.encoded_text_string) == (1000, "一\n二\n\n三\n")

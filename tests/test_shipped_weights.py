"""The model that comes with the package: its files are those of its card, and it answers."""

import re

import pytest

from paddle_electra import Predictor, checkpoint
from paddle_electra.checkpoint.shipped import SHIPPED, folder_of
from paddle_electra.files import sha256
from paddle_electra.training.log import read_log

CARD = folder_of("chinese-electra-tiny") / "MODEL_CARD.md"


def test_the_card_has_the_hash_of_every_file():
    text = CARD.read_text("utf-8").partition("## Files")[2]
    stated = dict(re.findall(r"^\| (\S+) \| [\d,]+ \| `([0-9a-f]{64})` \|$", text, re.MULTILINE))
    files = [path for path in CARD.parent.rglob("*") if path.is_file() and path != CARD]
    assert stated == {path.relative_to(CARD.parent).as_posix(): sha256(path) for path in files}
    assert sum(path.stat().st_size for path in files) < 10e6


def test_the_logs_reach_the_steps_that_the_card_names():
    stated = re.search(r"pretraining: ([\d,+ ]+) updates", CARD.read_text("utf-8"))[1]
    steps = [int(number.replace(",", "")) for number in stated.split(" + ")]
    logs = sorted(CARD.parent.glob("log*.jsonl"), key=lambda path: (len(path.name), path.name))
    ends = [[e["step"] for e in read_log(path) if e["kind"] == "train"][-1] for path in logs]
    assert ends == steps


@pytest.mark.parametrize("name", SHIPPED)
def test_weights_are_halves_on_disk(name):
    loaded = checkpoint.load(name)
    specs = [
        *loaded.discriminator.specs.values(),
        *(loaded.generator or loaded.discriminator).specs.values(),
    ]
    assert {str(spec.dtype) for spec in specs} == {"float16"}


def test_it_has_learned_what_it_has_read():
    model = Predictor.load("chinese-electra-tiny")
    (filled,) = model.fill_mask(["公民有依照[MASK]律纳税的义务。"])
    assert filled[0][0]["token"] == "法"
    text = "用人单位应当按照劳动合同约定和国家规定，向劳动者及时足额支付劳动抱酬。"
    (found,) = model.detect([text])
    assert [entry["text"] for entry in found["suspicious"]] == ["抱"]
    head = Predictor.load("chinese-electra-tiny-sentiment")
    assert head.predict(["用起来很满意。", "质量太差。"]) == ["positive", "negative"]

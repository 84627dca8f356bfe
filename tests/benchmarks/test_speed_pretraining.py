"""The comparison of pretraining speeds, at sizes that take seconds."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import speed_pretraining
import speed_pretraining_report
from speed_pretraining_contestants import PADDLENLP, TORCH, Contestant
from speed_pretraining_data import IGNORED, Examples, Settings, make_shards

SCRIPT = Path(speed_pretraining.__file__)
TINY = ["--model-size", "tiny", "--batch", "4", "--length", "32", "--steps", "1", "--rounds", "2"]


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """`Settings` with a small vocabulary."""
    folder = make_shards(tmp_path_factory.mktemp("data"), 300, 32, 20)
    return Settings(str(folder), batch=4, size="tiny", threads=1)


def test_rivals_get_the_batches_of_our_trainer(settings):
    from paddle_electra.config import from_dict
    from paddle_electra.pretraining.batches import BatchMaker
    from paddle_electra.pretraining.options import PretrainOptions

    examples = Examples(settings)
    assert len(examples.dataset) >= 20
    options = from_dict(PretrainOptions, {"data": settings.data, "output": "none"})
    maker = BatchMaker(examples.dataset, examples.tokenizer, options)
    for step in range(3):
        (ours,) = maker.make(step, examples.numbers(step)).parts
        theirs = examples.arrays(step)
        for name in ("input_ids", "masked_input_ids", "token_type_ids"):
            assert (getattr(ours, name) == getattr(theirs, name)).all(), name
        assert (ours.real == theirs.attention_mask).all()
        assert (ours.masked_positions == theirs.slots).all()
        at_slots = theirs.labels.flatten()[theirs.slots]
        assert (at_slots == theirs.input_ids.flatten()[theirs.slots]).all()
        assert (theirs.labels != IGNORED).sum() == len(theirs.slots)


def test_ratios_and_verdict_follow_the_medians():
    def measured(name, kind, *seconds):
        turns = [speed_pretraining.Turn(2, s, s, 1000, 5e8, 2**30) for s in seconds]
        about = {"mlm": 9.9, "rtd": 0.7, "note": "a note"}
        return speed_pretraining.Measured(Contestant(name, kind), about, turns, [])

    skipped = speed_pretraining.Measured(TORCH, {"skipped": "no GPU"}, [], [])
    field = [
        measured("ours, slow", "ours", 4.0, 4.0, 4.0),
        measured("ours, fast", "ours", 1.0, 9.0, 2.0),
        measured("PaddleNLP", "PaddleNLP", 5.0, 1.0, 5.0),
        skipped,
    ]
    ceilings = {"ours": [[1e9], [3e9], [2e9]]}
    arguments = speed_pretraining.parse([])
    text = speed_pretraining_report.text(arguments, field, [], ceilings, [(10, 10, 10)])
    row = next(line for line in text.splitlines() if line.startswith("| ours, fast | 1 x 2"))
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    # 500 tokens/s, PaddleNLP 200; 5e8 operations in 2 s of at most 2e9 a second
    assert cells[2:7] == ["500", "2.50", "1000", "1.00", "12%"]
    assert "Skipped: PyTorch: no GPU." in text
    assert "Our fastest, 'ours, fast': 2.50 times PaddleNLP (at least 2.0: yes)." in text


def run(*arguments):
    """What the script prints, and nothing left of its processes."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PADDLE_TRAINER")}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *TINY, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def losses(text):
    """{contestant: (generator's, discriminator's)} of the table."""
    section = text.split("## Losses of the first step")[1].split("## ")[0]
    rows = re.findall(r"^\| (\S.*?) \| ([\d.]+) \| ([\d.]+) \|", section, re.MULTILINE)
    return {name: (float(mlm), float(rtd)) for name, mlm, rtd in rows}


@pytest.mark.slow
@pytest.mark.bench
def test_everyone_takes_the_same_first_step(tmp_path):
    pytest.importorskip("paddlenlp")
    output = tmp_path / "result.md"
    names = ("ours, padded", "ours, unpadded, two processes", PADDLENLP.name, TORCH.name)
    text = run("--output", str(output), "--skip-apart", "--profile", "--only", *names)
    written = output.read_text("utf-8")
    assert text.endswith(written + "\n")
    found = losses(written)
    assert set(names) <= set(found)
    for mlm, rtd in found.values():
        assert 9.8 < mlm < 10.2
        assert 0.6 < rtd < 0.8
    table = written.split("## Real tokens a second")[1].split("## ")[0]
    for name in names:
        row = next(line for line in table.splitlines() if line.startswith(f"| {name} |"))
        assert len(row.split("|")[-2].split(",")) == 2  # rounds
    assert "times PaddleNLP (at least 2.0:" in table
    assert "times PyTorch (at least 1.0:" in table
    assert "## Profile: ours, padded\n" in written
    assert "matmul" in written.split("## Profile: ours, padded\n")[1].split("## ")[0]


@pytest.mark.slow
@pytest.mark.bench
def test_without_a_gpu_each_says_so():
    import paddle
    import torch

    if torch.cuda.is_available() or paddle.device.is_compiled_with_cuda():
        pytest.skip("there may be a GPU")
    text = run("--device", "gpu", "--skip-apart", "--only", "bf16, unpadded", "PyTorch")
    assert "Skipped: ours, bf16, unpadded: --device gpu: this paddle sees no GPU" in text
    assert "Skipped: PyTorch: this torch sees no GPU." in text

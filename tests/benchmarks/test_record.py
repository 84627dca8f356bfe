"""The command that a record shows."""

import sys

import pytest
import record


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ([], ""),
        (["--trials", "5", "--keep"], " --trials 5 --keep"),
        (["--model", "tiny", "--data", "/home/me/data"], " --model tiny --data DATA"),
        (["--vocab-file=/home/me/vocab.txt"], " --vocab-file=VOCAB_FILE"),
        (["--input", "../a", "b", "--about", "it's /mine", "--n", "1"], " --input INPUT b --n 1"),
        (["--about=of mine", "--only", "two words"], " --only 'two words'"),
        (
            ["--work", "runs/w", "--", "--num-train-epochs", "1"],
            " --work WORK -- --num-train-epochs 1",
        ),
    ],
)
def test_places_and_remarks_are_left_out(monkeypatch, words, shown):
    monkeypatch.setattr(sys, "argv", ["/home/me/clone/benchmarks/speed.py", *words])
    assert record.command_line() == f"python benchmarks/speed.py{shown}"
    monkeypatch.setattr(sys, "argv", ["benchmarks/speed.py", "--other"])
    assert record.command_line(words) == f"python benchmarks/speed.py{shown}"


def test_the_head_of_a_record_shows_it(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/x/speed.py", "--output", "/x/result.md"])
    assert "- command: `python benchmarks/speed.py --output OUTPUT`\n" in record.header("Speed")

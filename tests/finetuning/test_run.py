"""Whole fine-tuning runs on a task with a rule."""

import json

from paddle_electra.finetuning.run import run


def test_learns_the_rule_and_leaves_everything(options):
    results = run(options())
    print(json.dumps(results, indent=1))
    assert results["test"]["accuracy"] > 90

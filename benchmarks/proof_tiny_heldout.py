"""MLM and RTD on text that a pretraining run held out, with a model's weights and random ones.

    python benchmarks/proof_tiny_heldout.py --model MODEL --run RUN --shards SHARDS --output OUT

The examples, masks and samples are those that RUN evaluates with on SHARDS, its first shards.  For
a model that comes without a generator the run's newest checkpoint is measured, and OUT/results.json
says so.  Reads the run, writes nothing there; it may be going on.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from paddle_electra import checkpoint as checkpoints  # noqa: E402
from paddle_electra.config import from_dict  # noqa: E402
from paddle_electra.errors import InputError  # noqa: E402
from paddle_electra.files import read_json, write_json  # noqa: E402
from paddle_electra.pretraining.options import PretrainOptions  # noqa: E402

_LONG = ("long_data", "long_data_from", "long_train_batch_size")


def whole_model(model, run):
    """(a checkpoint with both halves, what it is in words)."""
    from paddle_electra.training.state import list_checkpoints

    loaded = checkpoints.load(model)
    if loaded.generator is not None:
        return model, "the model itself"
    found = list_checkpoints(run)
    if not found:
        raise InputError(f"{model} has no generator, and {run} no checkpoint to take one from")
    step, folder = found[-1]
    ours, theirs = loaded.need_discriminator(), checkpoints.load(folder).need_discriminator()
    same = all(name in theirs and np.array_equal(theirs[name], ours[name]) for name in ours)
    about = "the same discriminator as the model" if same else "not the model's own weights"
    return str(folder), f"the run's checkpoint of step {step} ({about})"


def measure(model, run, shards, output):
    """{"pretrained", "random": metrics, "examples", "weights"}."""
    from paddle_electra.pretraining.evaluation import evaluate
    from paddle_electra.pretraining.run import Run

    saved = read_json(Path(run) / "pretraining.json", keys=("options",))["options"]
    options = from_dict(PretrainOptions, saved, f"{run}/pretraining.json")
    changes = {"data": shards, "output": str(output / "no-run"), "do_train": False}
    changes |= dict.fromkeys(("hparams", "probe", *_LONG))
    weights, about = whole_model(model, run)
    found = {"weights": about}
    for name, start in (("pretrained", weights), ("random", None)):
        loaded = Run(dataclasses.replace(options, **changes, init_from=start))
        # A run that went on from other weights does not say their sizes.
        changes["model_hparam_overrides"] = loaded.config.to_dict()
        found["examples"] = len(loaded.stages[0].held_out)
        found[name], _ = evaluate(loaded.trainer, loaded.stages[0], loaded.tokenizer)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("--model", "--run", "--shards"):
        parser.add_argument(name, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    try:
        found = measure(options.model, options.run, options.shards, options.output)
        write_json(options.output / "results.json", found)
    except InputError as error:
        sys.exit(f"proof_tiny_heldout: error: {error}")


if __name__ == "__main__":
    main()

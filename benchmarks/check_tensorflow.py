"""Does TensorFlow itself read the checkpoints that we write?

    python benchmarks/check_tensorflow.py --written DIR [--original DIR] > RESULT.md

Run it in an environment of its own with ``tensorflow`` (2.x) and NumPy installed: it imports
nothing of paddle-electra.  ``--written`` is what ``paddle-electra convert SRC DIR --to
tensorflow`` wrote; ``--original``, the checkpoint SRC was, if it was TensorFlow's.  Every
variable of the original that is no optimizer slot and not ``global_step`` must be in what was
written, with the same shape, type and bits, and nothing else may be.  Exits with 1 when not.
"""

import argparse
import platform
import sys

import numpy as np
import tensorflow as tf


def variables(folder):
    """{name: array} as TensorFlow reads them, found through the folder's ``checkpoint`` file."""
    prefix = tf.train.latest_checkpoint(folder)
    if prefix is None:
        raise SystemExit(f"{folder}: TensorFlow finds no checkpoint here")
    reader = tf.train.load_checkpoint(prefix)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def is_weight(name):
    return name != "global_step" and not name.endswith(("/adam_m", "/adam_v"))


def graph_restores(folder, written):
    """The original's way: variables of a graph initialised from the checkpoint."""
    prefix = tf.train.latest_checkpoint(folder)
    with tf.Graph().as_default():
        made = {
            name: tf.compat.v1.get_variable(name, array.shape, tf.as_dtype(array.dtype))
            for name, array in written.items()
        }
        tf.compat.v1.train.init_from_checkpoint(prefix, {name: name for name in made})
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            values = session.run(made)
    return all(np.array_equal(values[name], written[name]) for name in made)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--written", required=True)
    parser.add_argument("--original")
    options = parser.parse_args()
    written = variables(options.written)
    total = sum(array.nbytes for array in written.values())
    print(
        f"- TensorFlow {tf.__version__}, NumPy {np.__version__}, Python {platform.python_version()}"
    )
    print(f"- `tf.train.load_checkpoint` lists and reads {len(written)} variables, {total:,} bytes")
    restored = graph_restores(options.written, written)
    print(f"- `init_from_checkpoint` gives a graph the same values: {'yes' if restored else 'NO'}")
    good = restored
    if options.original:
        original = variables(options.original)
        weights = {name: array for name, array in original.items() if is_weight(name)}
        same = [
            name
            for name, array in weights.items()
            if name in written
            and written[name].dtype == array.dtype
            and written[name].shape == array.shape
            and written[name].tobytes() == array.tobytes()
        ]
        print(
            f"- of the original's {len(original)} variables {len(weights)} are weights; equal in "
            f"name, shape, type and bits: {len(same)}; written beyond them: "
            f"{len(set(written) - set(weights))}"
        )
        good = good and len(same) == len(weights) == len(written)
    print(f"- result: {'equal' if good else 'DIFFERENT'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

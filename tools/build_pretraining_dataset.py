"""``python build_pretraining_dataset.py --corpus-dir D --vocab-file V --output-dir O`` of HFL.

`paddle-electra build-pretraining-dataset --help` lists its flags; `paddle-electra data build` does
the same work with more choices, such as cutting lines into sentences.
"""

import sys

from paddle_electra.cli import main

if __name__ == "__main__":
    sys.exit(main(["build-pretraining-dataset", *sys.argv[1:]]))

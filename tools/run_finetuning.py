"""``python run_finetuning.py --data-dir D --model-name NAME --hparams FILE`` of HFL's README.

`paddle-electra run-finetuning --help` tells where it looks for the model and the data and where it
puts the results; `paddle-electra finetune` does the same work with paths of your own.
"""

import sys

from paddle_electra.cli import main

if __name__ == "__main__":
    sys.exit(main(["run-finetuning", *sys.argv[1:]]))

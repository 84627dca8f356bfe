"""``python run_pretraining.py --data-dir D --model-name NAME --hparams FILE`` of the original.

On several processes or machines:

    python -m paddle.distributed.launch --gpus 0,1,2,3 tools/run_pretraining.py --data-dir D ...

`paddle-electra run-pretraining --help` tells where it looks for the data and puts the model;
`paddle-electra pretrain --help` lists the hyperparameters, and does the same work with paths of
your own.
"""

import sys

from paddle_electra.cli import main

if __name__ == "__main__":
    sys.exit(main(["run-pretraining", *sys.argv[1:]]))

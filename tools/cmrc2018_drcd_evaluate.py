"""``python cmrc2018_drcd_evaluate.py dev.json predictions.json``: `paddle-electra evaluate`."""

import sys

from paddle_electra.cli import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))

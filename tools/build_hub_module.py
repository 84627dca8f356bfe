"""``python tools/build_hub_module.py --model DIR --name NAME``: `paddle-electra module build`."""

import sys

from paddle_electra.cli import main

if __name__ == "__main__":
    sys.exit(main(["module", "build", *sys.argv[1:]]))

"""``paddle-electra`` as a file, which Paddle's launcher runs with this very Python."""

import sys

from paddle_electra.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

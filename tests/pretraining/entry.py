"""``paddle-electra`` as a file, which Paddle's launcher runs with this very Python."""

import os
import sys

from paddle_electra.cli import main

if __name__ == "__main__":
    if interval := os.environ.get("TEST_PULSE_INTERVAL"):
        from paddle_electra.training import pulse

        pulse.INTERVAL = float(interval)
    sys.exit(main(sys.argv[1:]))

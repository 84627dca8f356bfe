"""Running things under Paddle's real launcher."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENTRY = Path(__file__).with_name("entry.py")


def environment(**more):
    """For child processes: the same sums in every process, this package, no bytecode races."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PADDLE_TRAINER")}
    paths = [str(ROOT), str(Path(__file__).parent)]
    return {**clean, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths), **more}


def command(script, *arguments, processes=2, logs):
    """The launcher's command line for ``processes`` of a script on this machine."""
    launcher = ["-m", "paddle.distributed.launch", "--nproc_per_node", str(processes)]
    launcher += ["--log_dir", str(logs)]
    return [sys.executable, *launcher, str(script), *map(str, arguments)]


def launch(script, *arguments, processes=2, logs):
    """Run to the end; fails with what the processes said."""
    done = subprocess.run(
        command(script, *arguments, processes=processes, logs=logs),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    said = "\n".join(path.read_text("utf-8") for path in sorted(Path(logs).glob("workerlog.*")))
    assert done.returncode == 0, f"{done.stderr[-2000:]}\n{said[-4000:]}"
    return said

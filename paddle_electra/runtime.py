"""What must be set in the environment before paddle is imported."""

import os
import sys


def _is_amd():
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as handle:
            return "AuthenticAMD" in handle.read(4096)
    except OSError:
        return False


def prepare_environment():
    """Take the fast path of paddle's MKL on AMD processors, unless the user chose one.

    The MKL inside paddle's CPU wheel picks a slow code path on processors that are not Intel's;
    ``MKL_DEBUG_CPU_TYPE=5`` picks AVX2 and roughly doubles matrix products.  It is read when
    paddle is imported, so this does nothing afterwards.
    """
    if "paddle" not in sys.modules and _is_amd():
        os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")

"""``python tools/convert_checkpoint.py SRC DST --to FORMAT``: `paddle-electra convert`.

It also takes the flags of Hugging Face's script for ELECTRA: ``--tf_checkpoint_path``,
``--config_file``, ``--pytorch_dump_path`` and ``--discriminator_or_generator``.
"""

import sys

from paddle_electra.cli import main

HUGGING_FACE_FLAGS = ("tf_checkpoint_path", "pytorch_dump_path", "discriminator_or_generator")

if __name__ == "__main__":
    given = [argument.lstrip("-").partition("=")[0].replace("-", "_") for argument in sys.argv[1:]]
    script = any(name in HUGGING_FACE_FLAGS for name in given)
    sys.exit(main([*(["convert-to-torch"] if script else ["convert"]), *sys.argv[1:]]))

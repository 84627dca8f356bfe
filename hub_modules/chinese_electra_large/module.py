"""PaddleHub module chinese-electra-large; `paddle-electra module build` adds the weights."""

import sys
from pathlib import Path

from paddlehub.module.module import moduleinfo

if Path(__file__).with_name("electra_runtime").is_dir():
    from .electra_runtime.hub.module import ElectraModule
else:
    HOW = """chinese-electra-large has no weights here. Two commands make and install it:
    paddle-electra module build --model ZIP_OR_FOLDER_OF_WEIGHTS --name chinese-electra-large
    hub install dist/chinese_electra_large"""
    if sys.argv[1:2] == ["install"]:
        raise SystemExit(HOW)

    class ElectraModule:
        def __init__(self, *arguments, **named):
            raise RuntimeError(HOW)


@moduleinfo(
    name="chinese-electra-large",
    version="1.0.0",
    author="paddle-electra",
    author_email="",
    summary="ELECTRA for Chinese text, 24 layers of 1024, 21128 tokens",
    type="nlp/semantic_model",
)
class Electra(ElectraModule):
    """Arguments and methods are those of PaddleHub's ELECTRA modules 2.0.2, and more."""

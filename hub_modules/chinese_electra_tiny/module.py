"""PaddleHub module chinese-electra-tiny; its weights come with paddle-electra."""

import sys
from pathlib import Path

from paddlehub.env import MODULE_HOME
from paddlehub.module.module import moduleinfo

HERE = Path(__file__).parent
if not (HERE / "electra_runtime").is_dir() and HERE.parent.resolve() == Path(MODULE_HOME).resolve():
    try:
        from paddle_electra.hub.packaging import complete
    except ModuleNotFoundError:
        pass
    else:
        complete(HERE, "chinese-electra-tiny")

if Path(__file__).with_name("electra_runtime").is_dir():
    from .electra_runtime.hub.module import ElectraModule
else:
    HOW = """chinese-electra-tiny has no weights here. Two commands make and install it:
    pip install -e CLONE_OF_PADDLE_ELECTRA
    hub install CLONE_OF_PADDLE_ELECTRA/hub_modules/chinese_electra_tiny"""
    if sys.argv[1:2] == ["install"]:
        raise SystemExit(HOW)

    class ElectraModule:
        def __init__(self, *arguments, **named):
            raise RuntimeError(HOW)


@moduleinfo(
    name="chinese-electra-tiny",
    version="1.0.0",
    author="paddle-electra",
    author_email="",
    summary="ELECTRA for Chinese text, 4 layers of 128, 8000 tokens",
    type="nlp/semantic_model",
)
class Electra(ElectraModule):
    """Arguments and methods are those of PaddleHub's ELECTRA modules 2.0.2, and more."""

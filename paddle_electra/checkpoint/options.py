"""Options of the checkpoint commands; no paddle here, so that --help is quick."""

import dataclasses

from ..config import option
from .names import COLUMNS, HALVES


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """Options of ``paddle-electra convert``."""

    src: str = option(
        help="the model: a folder, prefix, weight file or zip of any format, a name in the "
        "local Hugging Face cache, or the name chinese-electra-tiny",
        positional=True,
    )
    dst: str = option(help="new folder for the converted model", positional=True)
    to: str = option(help="format to write", choices=COLUMNS)
    half: str = option("both", "what to convert of a model that has both", ("both", *HALVES))
    check: bool = option(
        False,
        "also run both sides' networks where their frameworks are installed and print the "
        "largest difference",
    )
    dtype: str | None = option(
        None,
        "type of the numbers written; float16 halves the size and rounds; none: that of the "
        "source, but float32 for paddlenlp and tensorflow, whose models do not load halves",
        ("float16", "float32"),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class TorchScriptOptions:
    """Options of Hugging Face's script for ELECTRA, which ``tools/convert_checkpoint.py`` takes."""

    tf_checkpoint_path: str = option(help="TensorFlow checkpoint: its folder, prefix or zip")
    config_file: str = option(help="discriminator.json or generator.json of the half to convert")
    pytorch_dump_path: str = option(help="file for PyTorch's state dict, such as pytorch_model.bin")
    discriminator_or_generator: str = option(help="the half to convert", choices=HALVES)

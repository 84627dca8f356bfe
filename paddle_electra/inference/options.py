"""Options of `paddle-electra export`."""

from dataclasses import dataclass

from ..config import option


@dataclass(frozen=True)
class ExportOptions:
    """Write a network as a static graph for other programs."""

    model: str = option(
        help="model in any format: a checkpoint, fine-tuned or not, a run, a TensorFlow, Hugging "
        "Face or PaddleNLP folder, a zip"
    )
    output: str = option(help="folder to write; one that is there is replaced if it is an export")
    network: str | None = option(
        None,
        "encoder: hidden states and the state of [CLS]; task: the fine-tuned head's answer; "
        "generator: the vocabulary's logits; discriminator: each token's logit of having been "
        "replaced. Default: task for a fine-tuned model, else encoder",
        choices=("encoder", "task", "generator", "discriminator"),
    )
    format: str = option(
        "paddle",
        "paddle: program and weights for Paddle Inference; onnx: one file for ONNX Runtime, "
        "OpenVINO and others (needs the extra onnx)",
        choices=("paddle", "onnx"),
    )

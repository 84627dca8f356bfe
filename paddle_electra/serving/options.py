"""Options of ``paddle-electra serve``; imports neither paddle nor flask."""

import dataclasses

from ..config import option
from .settings import ServingSettings


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServeOptions(ServingSettings):
    """Options of ``paddle-electra serve``."""

    model: str = option(help="a model of any supported format, or the name chinese-electra-tiny")
    name: str | None = option(
        None, "answer at /predict/NAME; none: the name of the model's folder or file"
    )
    host: str = option("127.0.0.1", "address to listen on; 0.0.0.0 for all of this machine")
    port: int = option(8866, "port to listen on; 0 for a free one", least=0, most=65535)
    page: bool = option(False, "also show a web page at /, to type texts and see the answers")
    engine: str = option(
        "auto",
        "what runs the network; auto: the static graph where it can be made",
        choices=("auto", "static", "eager"),
    )
    precision: str = option(
        "auto",
        "of the static graph; auto: float32 unless PADDLE_ELECTRA_PRECISION says bfloat16",
        choices=("auto", "float32", "bfloat16"),
    )
    compute_threads: int | None = option(
        None, "threads of the processor for the network; none: the engine's choice", least=1
    )
    device: str | None = option(None, "cpu, gpu or gpu:N; none: a GPU if there is one")

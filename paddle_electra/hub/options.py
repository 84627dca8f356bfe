"""Options of the hub commands; imports neither paddle nor paddlehub."""

import dataclasses

from ..config import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModuleBuildOptions:
    """Options of ``paddle-electra module build``."""

    model: str = option(
        help="a model of any supported format, fine-tuned or not, or the name chinese-electra-tiny"
    )
    name: str = option(help="name for hub.Module(name=...): a-z, 0-9 and -, a letter first")
    output: str = option("dist", "folder that receives the module's folder and its .tar.gz")
    head: str | None = option(
        None,
        "a fine-tuned model of the same size and vocabulary, to answer for its task beside the "
        "pretrained --model: hub.Module(name=..., task=...) then needs no load_checkpoint",
    )
    version: str = option("1.0.0", "version of the module, three numbers with dots")
    author: str = option("paddle-electra", "who made the module")
    author_email: str = option("", "where to reach the author")
    summary: str = option("", "one line about the model; empty writes one from its sizes")

"""Options of ``paddle-electra demo``; no paddle here, so that --help is quick."""

import dataclasses

from ..config import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """Options of ``paddle-electra demo``."""

    output: str = option("demo_output", "folder for everything the demo makes; made afresh")
    pipeline: bool = option(
        False,
        "begin with raw text: vocabulary, shards and pretraining of a model of its own, in place "
        "of the one that comes with the package",
    )

"""Options of ``paddle-electra doctor``."""

import dataclasses

from ..config import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """Options of ``paddle-electra doctor``."""

    json: bool = option(False, "print JSON, to be put into a bug report")
    imports: bool = option(
        True,
        "try to import paddle, PaddleNLP, PaddleHub and VisualDL, in processes of their own and "
        "without a network; --no-imports judges by version numbers only and takes a second",
    )
    import_timeout: float = option(
        180.0, "seconds after which an import counts as hanging", least=1.0
    )

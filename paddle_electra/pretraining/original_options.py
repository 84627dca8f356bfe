"""Options of ``run_pretraining.py``; no paddle here, so that --help is quick."""

import dataclasses
from typing import ClassVar

from ..config import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunPretrainingOptions:
    """The flags of the original's ``run_pretraining.py``."""

    KEEPS_HPARAMS: ClassVar = True  # they are options of pretraining

    data_dir: str = option(
        help="Folder with pretrain_tfrecords (shards of build_pretraining_dataset.py, or the "
        "original's pretrain_data.tfrecord* files), vocab.txt, and models."
    )
    model_name: str = option(help="The run's folder in DATA_DIR/models.")
    hparams: str = option("{}", "Hyperparameters as a JSON file or a JSON string.")

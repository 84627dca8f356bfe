"""``run_pretraining.py`` with the flags and folders of the original.

``DATA_DIR/pretrain_tfrecords`` holds what ``build_pretraining_dataset.py`` made: our shards, or the
original's ``pretrain_data.tfrecord*`` files, which are turned into shards first, once, with
``DATA_DIR/vocab.txt``, in ``DATA_DIR/pretrain_shards``.  The run lies in ``DATA_DIR/models/NAME``.
"""

from pathlib import Path

from ..config import from_dict
from ..errors import InputError
from ..hparams import read_hparams
from ..training.device import choose_device
from ..training.parallel import join_world
from .from_tfrecords import PATTERN, convert_tfrecords, find_tfrecords
from .options import PretrainOptions
from .run import run as pretrain
from .shards import BUILD_FILE, DATASET_FILE

TFRECORDS, SHARDS, VOCAB = "pretrain_tfrecords", "pretrain_shards", "vocab.txt"


def run(options):
    """Pretrain as ``paddle-electra pretrain`` does, on the data of the original's folders.

    Args:
        options: a `RunPretrainingOptions`.
    Raises:
        InputError: a folder or file is not where the original has it; names what was looked for.
    """
    pretrain(pretrain_options(options))


def pretrain_options(options):
    """The `PretrainOptions` for the original's flags; tfrecords have been made shards then."""
    source = f"--hparams {options.hparams}" if len(options.hparams) < 60 else "--hparams"
    hparams = read_hparams(options.hparams)
    hparams = {key.replace("-", "_"): value for key, value in hparams.items()}
    for key in ("data", "output", "hparams"):
        if key in hparams:
            raise InputError(f"{source}: {key!r} follows from --data-dir and --model-name here")
    folder = Path(options.data_dir)
    records = hparams.pop("pretrain_tfrecords", None)
    vocab = Path(hparams.pop("vocab_file", None) or folder / VOCAB)
    output = hparams.pop("model_dir", None) or folder / "models" / options.model_name
    values = {**hparams, "output": str(output), "data": "-"}
    settings = from_dict(PretrainOptions, values, source)  # before any work, for its mistakes
    values["data"] = str(_data(folder, records, vocab, settings))
    return from_dict(PretrainOptions, values, source)


def _data(folder, records, vocab, settings):
    """The folder of shards, made of tfrecords if need be."""
    place = folder / TFRECORDS
    if records is None:
        if any((place / name).exists() for name in (DATASET_FILE, BUILD_FILE)):
            return place
        if not place.is_dir() or not any(place.glob(PATTERN)):
            raise InputError(
                f"--data-dir {folder}: neither shards nor {PATTERN} files in {place}; make them "
                f"with build_pretraining_dataset.py --output-dir {place}"
            )
        records = place
    files = find_tfrecords([records])
    if not vocab.is_file():
        raise InputError(
            f"{vocab}: no such file; put the vocabulary that the tfrecords were made with there"
        )
    choose_device(settings.device)
    world = join_world()
    if world.is_main:
        lower_case = settings.do_lower_case is not False
        convert_tfrecords(files, vocab, lower_case, folder / SHARDS)
    world.wait()
    return folder / SHARDS

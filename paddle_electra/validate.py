"""``paddle-electra validate``: what is this, and is it sound?"""

import dataclasses
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path

from .config import option
from .errors import InputError

_MANIFEST, _ASSETS = "manifest.json", "assets"
_LARGEST_RATIO = 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class ValidateOptions:
    """Options of ``paddle-electra validate``."""

    path: str = option(
        help="a model of any format, or the name chinese-electra-tiny; a run, shards, a PaddleHub "
        "module (folder or .tar.gz), or a folder with a task's files",
        positional=True,
    )
    task: str | None = option(
        None,
        "task whose files a folder holds, itself or in a folder named after the task; none: the "
        "tasks whose files are there are tried",
    )


def run(options):
    """The command: say what ``options.path`` is and that it is sound, or raise `InputError`."""
    print("\n".join(examine(options.path, options.task)))


def examine(path, task=None):
    """Recognise what lies at ``path`` and check it.

    Args:
        path: see `ValidateOptions`.
        task: name of a task, for a folder with its files.
    Returns:
        lines that say what it is and what was checked.
    Raises:
        InputError: nothing recognised, or not sound; names the file and what is wrong.
    """
    from .pretraining.shards import BUILD_FILE, DATASET_FILE

    place = Path(path)
    if task is not None:
        return _examine_task(place, [task])
    if place.is_file() and place.name.endswith((".tar.gz", ".tgz")):
        return _examine_archive(place)
    if (place / _MANIFEST).is_file():
        return _examine_module(place)
    if (place / DATASET_FILE).is_file() or (place / BUILD_FILE).is_file():
        return _examine_shards(place)
    if found := _tasks_of(place):
        return _examine_task(place, found)
    return _examine_model(path)


def _examine_model(path):
    from . import checkpoint as checkpoints
    from .checkpoint import soundness
    from .checkpoint.safetensors_file import SafetensorsFile
    from .training.state import OPTIMIZER

    try:
        loaded = checkpoints.load(path)
    except InputError as error:
        if "no model found" not in str(error):
            raise
        raise InputError(
            f"{error}; nor is it shards (dataset.json), a module (manifest.json) or a folder with "
            f"a task's files"
        ) from None
    lines = soundness.examine(loaded)
    state = Path(loaded.source) / OPTIMIZER
    if state.is_file():
        moments = SafetensorsFile(state)
        for name in moments:
            moments.read(name)
        lines.append(f"resume  {len(moments)} tensors of optimizer state; a run goes on from here")
    return lines


def _examine_module(folder):
    from . import checkpoint as checkpoints
    from .checkpoint import soundness
    from .files import read_json
    from .hub import manifest

    manifest.verify(folder)
    about = read_json(folder / _MANIFEST)
    lines = [
        f"module  {about.get('name')} {about.get('version')}, PaddleHub, in {folder}",
        f"sound   {len(about['sha256'])} files, every one with the checksum of {_MANIFEST}",
    ]
    return lines + soundness.examine(checkpoints.load(folder / _ASSETS))


def _examine_archive(path):
    """Unpack an archive and examine it; all that is said names it, not where it was unpacked."""
    with tempfile.TemporaryDirectory(prefix="paddle-electra-") as temporary:
        try:
            with tarfile.open(path) as archive:
                total = sum(member.size for member in archive)
                if total > max(64 << 20, _LARGEST_RATIO * path.stat().st_size):
                    raise InputError(f"{path}: would unpack to {total:,} bytes; not a module")
                _refuse_outside(path, archive)
                _unpack(archive, temporary)
        except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path}: not a readable .tar.gz archive ({error})") from None
        found = sorted(Path(temporary).glob(f"*/{_MANIFEST}"))
        if len(found) != 1:
            raise InputError(
                f"{path}: not a module: expected one folder with {_MANIFEST} in it; make one with "
                f"`paddle-electra module build`"
            )
        try:
            return [line.replace(temporary, str(path)) for line in _examine_module(found[0].parent)]
        except InputError as error:
            raise InputError(str(error).replace(temporary, str(path))) from None


def _refuse_outside(path, archive):
    """`hub install` writes members where their names say, so none may name another place."""
    for member in archive:
        parts = Path(member.name).parts
        if not (member.isfile() or member.isdir()) or ".." in parts or Path(member.name).root:
            raise InputError(
                f"{path}: the member {member.name!r} is a link or leaves the module's folder; do "
                f"not install this archive"
            )


def _unpack(archive, folder):
    """Write the content of its files only, no owners or modes.

    ``extractall(filter="data")`` is for that, but Python before 3.10.12 and 3.11.4 lacks it.
    """
    for member in archive:
        if member.isfile():
            target = Path(folder, member.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.extractfile(member) as source, open(target, "wb") as file:
                shutil.copyfileobj(source, file)


def _examine_shards(folder):
    from .pretraining.shards import ShardDataset
    from .text.tokenizer import ElectraTokenizer

    dataset = ShardDataset(folder)
    dataset.verify()
    tokenizer = ElectraTokenizer(dataset.vocab_file, dataset.meta["do_lower_case"])
    dataset.check_vocabulary(tokenizer.fingerprint)
    shards = dataset.meta["shards"]
    tokens = sum(shard["tokens"] for shard in shards)
    return [
        f"shards  {folder}: {len(shards)} shards, {len(dataset):,} examples of up to "
        f"{dataset.max_seq_length} tokens, {tokens:,} tokens, vocabulary {dataset.vocab_size}",
        "sound   every file has the checksum it was written with, and the vocabulary is theirs",
    ]


def _tasks_of(folder):
    """Names of the tasks whose training or dev file is in a folder."""
    from .finetuning.tasks import TASKS

    return [
        name
        for name, task in TASKS.items()
        if any(task.find(folder, split) is not None for split in ("train", "dev"))
    ]


def _examine_task(folder, candidates):
    """Read a task's files; of several candidates the first that fits, else what is wrong."""
    from .finetuning.custom import CUSTOM
    from .finetuning.tasks import TASKS, get_task

    problems, fitting = [], {}
    for name in candidates:
        if name == CUSTOM:
            raise InputError(
                f"--task {CUSTOM}: only files of {', '.join(TASKS)} are read here; `paddle-electra "
                f"finetune --task {CUSTOM}` reads and checks all of its files before it trains"
            )
        task = get_task(name)
        try:
            fitting[name] = _read_splits(task.folder_in(folder), task)
        except InputError as error:
            problems.append(str(error) if len(candidates) == 1 else f"{name}: {error}")
    if not fitting:
        raise InputError("; ".join(problems))
    first, *others = fitting
    if others:  # LCQMC and BQ Corpus have files of the same kind
        fitting[first][0] += f"; they would do for {', '.join(others)} too"
    return fitting[first]


def _read_splits(folder, task):
    from .finetuning.tasks import SPLITS

    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected one with the files of {task.name}")
    lines = [f"task    {task.name} ({task.kind}), files in {folder}"]
    for split in filter(task.files.get, SPLITS):
        path = task.find(folder, split)
        if path is None:
            lines.append(f"{split:<8}none of {', '.join(task.files[split])}")
            continue
        examples = task.read(path, split)
        lines.append(f"{split:<8}{len(examples):,} examples in {path.name}")
        if task.labels:
            known = [example.label for example in examples]
            counts = ", ".join(f"{label} {known.count(label)}" for label in task.labels)
            lines[-1] += f"; labels: {counts}"
    if all(task.find(folder, split) is None for split in SPLITS):
        files = ", ".join(name for names in task.files.values() for name in names)
        raise InputError(f"{folder}: no file of {task.name}; expected {files}")
    return [*lines, "sound   every row was read"]

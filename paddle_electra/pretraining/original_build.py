"""``build_pretraining_dataset.py`` as HFL's README tells to call it: its flags, its way with lines.

As in the original every file of the folder is read and a line is never cut into sentences.  The
output is our shards.
"""

from pathlib import Path

from ..errors import InputError
from .build import build_from_files
from .data_options import BuildOptions


def run(options):
    """Build the shards of `OriginalBuildOptions`.  Returns the `ShardDataset`.

    Raises:
        InputError: no such folder, no file in it, or what `build.run` refuses.
    """
    return build_from_files(build_options(options), corpus_files(options))


def build_options(options):
    """The `BuildOptions` for the original's flags."""
    return BuildOptions(
        input=(options.corpus_dir,),
        vocab=options.vocab_file,
        output=options.output_dir,
        max_seq_length=options.max_seq_length,
        processes=options.num_processes,
        segments=options.segments,
        split_sentences=False,
        blanks_separate_docs=options.blanks_separate_docs,
        do_lower_case=options.do_lower_case,
    )


def corpus_files(options):
    """All files of the corpus folder by name, those that begin with a dot left aside.

    Raises:
        InputError: no such folder, an empty one, a folder inside, or the output inside.
    """
    folder = Path(options.corpus_dir)
    if not folder.is_dir():
        raise InputError(f"--corpus-dir {folder}: no such folder")
    if Path(options.output_dir).resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"--output-dir {options.output_dir} lies in --corpus-dir {folder}; choose another"
        )
    files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    for path in files:
        if path.is_dir():
            raise InputError(
                f"--corpus-dir {folder}: expected files only, {path.name} is a folder; "
                f"paddle-electra data build reads folders in folders"
            )
    if not files:
        raise InputError(f"--corpus-dir {folder}: no file in this folder")
    return files

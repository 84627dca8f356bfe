"""The log of a run: cut off where a run continues, texts for VisualDL."""

import contextlib

import pytest

from paddle_electra.errors import InputError
from paddle_electra.training.log import TrainingLog, read_log


def test_texts_and_scalars_reach_visualdl(tmp_path):
    from visualdl import LogReader

    with contextlib.closing(TrainingLog(tmp_path)) as log:
        log.write(5, "eval", mlm_loss=2.5)
        log.write_text(5, "samples", "今天[天→空]气")
    (file,) = (tmp_path / "visualdl").iterdir()
    reader = LogReader(file_path=str(file))
    (text,) = reader.get_data("text", "samples")
    assert (text.id, text.text.encoded_text_string) == (5, "今天[天→空]气")
    (scalar,) = reader.get_data("scalar", "eval/mlm_loss")
    assert (scalar.id, scalar.value) == (5, 2.5)
    assert read_log(tmp_path / "log.jsonl") == [{"step": 5, "kind": "eval", "mlm_loss": 2.5}]


def test_without_visualdl_a_text_is_left_out(tmp_path):
    with contextlib.closing(TrainingLog(tmp_path, visualdl=False)) as log:
        log.write_text(5, "samples", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_a_continued_run_drops_later_lines_and_one_cut_short(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"ste', "utf-8")
    with contextlib.closing(TrainingLog(tmp_path, step=2, visualdl=False)) as log:
        log.write(3, "train", loss=1.0)
    assert [entry["step"] for entry in read_log(path)] == [1, 2, 3]


def test_only_the_last_line_may_be_cut_short(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1}\n{"ste\n{"step": 3}\n', "utf-8")
    for tolerant in (False, True):
        with pytest.raises(InputError, match="line 2: not JSON"):
            read_log(path, tolerant)
    path.write_bytes(b'{"step": 1, "kind": "\xff"}\n')
    with pytest.raises(InputError, match="not UTF-8"):
        read_log(path)
    with pytest.raises(InputError, match="no such file"):
        read_log(tmp_path / "nothing")

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


def _points(folder):
    """[(step, tag, value)] of the file that VisualDL shows, in the order of kinds and points."""
    from visualdl import LogReader

    reader = LogReader()
    reader.dir = [str(folder / "visualdl")]
    (name,) = reader.logs(update=True).values()
    reader = LogReader(file_path=str(folder / "visualdl" / name))
    scalars = [
        point for tag in reader.get_tags()["scalar"] for point in reader.get_data("scalar", tag)
    ]
    texts = [
        point for tag in reader.get_tags().get("text", []) for point in reader.get_data("text", tag)
    ]
    found = [(point.id, point.tag, point.value) for point in scalars]
    return found + [(point.id, point.tag, point.text.encoded_text_string) for point in texts]


@pytest.mark.parametrize("lost", [0, 1, 9, 30])
def test_a_continued_run_has_each_point_once_where_visualdl_looks(tmp_path, lost, capsys):
    with contextlib.closing(TrainingLog(tmp_path)) as log:
        log.write(1, "train", loss=3.0)
        log.write_text(1, "samples", "今天")
        log.write(2, "train", loss=2.0)
        log.write(3, "train", loss=1.0)
        log.write_text(3, "samples", "天气")
    (file,) = (tmp_path / "visualdl").iterdir()
    file.write_bytes(file.read_bytes()[: file.stat().st_size - lost])
    for value in (1.5, 1.25):
        with contextlib.closing(TrainingLog(tmp_path, step=2)) as log:
            log.write(3, "train", loss=value)
        known = [(1, "train/loss", 3.0), (2, "train/loss", 2.0), (3, "train/loss", value)]
        assert _points(tmp_path) == [*known, (1, "samples", "今天")]
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert capsys.readouterr().out == ""


def test_runs_have_names_of_their_own_in_visualdl(tmp_path):
    from visualdl import LogReader
    from visualdl.server.lib import get_runs

    for name in ("one", "two"):
        with contextlib.closing(TrainingLog(tmp_path / name)) as log:
            log.write(1, "train", loss=3.0)
    shown = get_runs(LogReader(logdir=str(tmp_path)))
    assert sorted(shown) == [str(tmp_path / name / "visualdl") for name in ("one", "two")]


def test_points_are_on_the_disk_at_once(tmp_path):
    with contextlib.closing(TrainingLog(tmp_path)) as log:
        log.write(1, "train", loss=3.0)
        assert _points(tmp_path) == [(1, "train/loss", 3.0)]
        log.write_text(1, "samples", "今天")
        assert _points(tmp_path)[1:] == [(1, "samples", "今天")]


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

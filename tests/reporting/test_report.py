"""`paddle-electra report`: what a log holds is drawn and summed up, finished or not."""

import json
import sys

import numpy as np
import pytest

from paddle_electra import cli
from paddle_electra.errors import InputError
from paddle_electra.reporting.curves import make_figure, moving_mean, order_of_panels
from paddle_electra.reporting.runs import HELD_OUT, TRAINING, labels_of, read_run
from paddle_electra.reporting.summary import summarize

PNG = b"\x89PNG\r\n\x1a\n"


def train(step, **more):
    values = {"loss": 30.0 - step / 10, "mlm_loss": 9.0, "discriminator_loss": 0.4}
    return {"step": step, "kind": "train", **values, "tokens_per_second": 1000.0 + step, **more}


def held_out(step, loss, auc):
    return {"step": step, "kind": "eval", "mlm_loss": loss, "rtd_auc": auc, "replaced_share": 0.1}


def write_run(folder, entries, cut="", **options):
    folder.mkdir(parents=True)
    lines = "".join(json.dumps(entry) + "\n" for entry in entries)
    (folder / "log.jsonl").write_text(lines + cut, "utf-8")
    saved = {"options": {"num_train_steps": 40, "output": str(folder), **options}}
    (folder / "pretraining.json").write_text(json.dumps(saved), "utf-8")
    return folder


@pytest.fixture
def entries():
    return [
        *(train(10), held_out(10, 5.0, 0.6)),
        *(train(20, gradient_norm=float("inf")), held_out(20, 4.0, 0.5)),
        *(train(30, gradient_norm=2.0), held_out(30, float("nan"), 0.7), train(33)),
    ]


def refused(arguments, capsys):
    assert cli.main(["report", *map(str, arguments)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_a_run_in_progress_is_drawn_and_summed_up(tmp_path, entries, capsys):
    run = write_run(tmp_path / "run", entries, cut='{"step": 40, "ki')
    assert cli.main(["report", str(run)]) == 0
    assert (run / "report.png").read_bytes().startswith(PNG)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["mlm_loss", "nan", "30", "4.0000", "20"] in lines
    assert ["rtd_auc", "0.7000", "30", "0.7000", "30"] in lines
    assert ["replaced_share", "0.1000", "30"] in lines  # neither more nor less is better
    assert " ".join(lines[0]) == (
        "run: pretraining, step 33 of 40 (82 %), median 1,025 tokens/s, time not in the log"
    )


def test_a_checkpoint_later_than_the_log_counts(tmp_path, entries):
    run = write_run(tmp_path / "run", entries)
    (run / "checkpoints" / "step-00000020").mkdir(parents=True)
    assert "step 33 of 40 (82 %), median" in summarize([read_run(run)])[0]
    (run / "checkpoints" / "step-00000038").mkdir()
    assert "step 38 of 40 (95 %), the log up to 33, median" in summarize([read_run(run)])[0]


@pytest.mark.parametrize(
    ("tokens", "auc", "wanted"), [(4e6, 0.54, True), (4e6, 0.6, False), (12e6, 0.54, False)]
)
def test_a_run_on_the_plateau_is_told_so(tmp_path, tokens, auc, wanted):
    run = write_run(tmp_path / "run", [train(10, tokens_seen=tokens), held_out(10, 5.0, auc)])
    lines = [line for line in summarize([read_run(run)]) if "still on the plateau" in line]
    assert len(lines) == wanted
    assert all(
        "4.0 million tokens seen; tiny left it at about 10 million" in line for line in lines
    )


def test_every_number_has_a_panel_with_its_points(tmp_path, entries):
    entries += [
        train(34, tokens_seen=100, seconds_trained=7300.0, padding_share=0.1, new_number=3),
        {"step": 34, "kind": "probe", "task": "xnli", "accuracy": 70.0, "examples": 9},
    ]
    runs = [read_run(write_run(tmp_path / name, entries)) for name in "ab"]
    names = ["loss", "mlm_loss", "discriminator_loss", "rtd_auc", "replaced_share"]
    names += ["gradient_norm", "tokens_per_second", "padding_share", "new_number"]
    assert order_of_panels(runs) == [*names, "probe xnli accuracy"]
    figure = make_figure(runs)
    axes = [axis for axis in figure.axes if axis.axison]
    assert len(axes) == len(names) + 1
    losses = axes[1].lines  # of each run training and held out
    assert [list(line.get_xdata()) for line in losses] == 2 * [[10, 20, 30, 33, 34], [10, 20, 30]]
    assert losses[0].get_color() == losses[1].get_color() != losses[2].get_color()
    assert axes[5].get_yscale() == "log"
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["a", "b", "training", "held out"]
    assert "trained for 2.0 h" in summarize(runs)[0]


def test_texts_of_the_picture_do_not_overlap(tmp_path, entries):
    entries += [train(34, tokens_per_second=123456.0, learning_rate=1.25e-5)]
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    runs = [read_run(write_run(tmp_path / f"a-rather-long-name-{n}", entries)) for n in range(9)]
    figure = make_figure(runs, smooth=2)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [axis.get_tightbbox(renderer) for axis in figure.axes if axis.axison]
    boxes += [figure.legends[0].get_window_extent(renderer)]
    width, height = figure.bbox.width, figure.bbox.height
    for number, box in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
        assert not any(box.overlaps(other) for other in boxes[:number])


def test_settings_that_differ_are_named(tmp_path, entries, capsys, monkeypatch):
    first = write_run(tmp_path / "one" / "run", entries, seed=1, mask_prob=0.15)
    second = write_run(tmp_path / "two" / "run", entries, seed=2, mask_prob=0.15, new=True)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["report", str(first), "--smooth", "2", str(second)]) == 0
    assert (tmp_path / "report.png").read_bytes().startswith(PNG)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    where = lines.index(["settings", "that", "differ", "one/run", "two/run"])
    assert lines[where + 1 : where + 3] == [["seed", "1", "2"], ["new", "-", "True"]]
    assert not any(line[:1] in (["mask_prob"], ["output"]) for line in lines)


def test_a_fine_tuning_of_two_tasks(tmp_path, capsys):
    folder = tmp_path / "tuned"
    dev = {"step": 9, "kind": "xnli_dev", "accuracy": 70.5, "loss": 0.5}
    write_run(folder, [{"step": 9, "kind": "train", "loss": 1.0}, dev, {**dev, "kind": "dev"}])
    (folder / "pretraining.json").unlink()
    (folder / "settings.json").write_text('{"options": {"seed": 1}}', "utf-8")
    run = read_run(folder)
    assert run.planned is None
    assert set(run.series) == {
        *(("loss", TRAINING), ("loss", HELD_OUT), ("accuracy", HELD_OUT)),
        *(("xnli loss", HELD_OUT), ("xnli accuracy", HELD_OUT)),
    }
    (folder / "results.json").write_text('{"train": {"steps": 9, "seconds": 61.4}}', "utf-8")
    assert cli.main(["report", str(folder), "--output", str(tmp_path / "x" / "y.png")]) == 0
    assert "fine-tuning, step 9 of 9 (100 %), trained for 61 s" in capsys.readouterr().out
    assert (tmp_path / "x" / "y.png").is_file()


def test_tokens_on_the_axis(tmp_path, entries):
    with_tokens = [
        {**entry, "tokens_seen": 100 * entry["step"]} if entry["kind"] == "train" else entry
        for entry in entries
    ]
    run = read_run(write_run(tmp_path / "with", [*with_tokens, held_out(15, 1.0, 0.5)]))
    axes = make_figure([run], x="tokens").axes
    assert list(axes[1].lines[1].get_xdata()) == [1000, 2000, 3000, 1500]
    without = read_run(write_run(tmp_path / "without", entries))
    with pytest.raises(InputError, match=r"without.*no tokens_seen.*--x steps"):
        make_figure([run, without], x="tokens")


def test_moving_mean_is_centred_and_skips_what_is_unknown():
    values = np.array([1.0, 2.0, np.nan, 4.0, 9.0])
    np.testing.assert_allclose(moving_mean(values, 3), [1.5, 1.5, 3.0, 6.5, 6.5])
    np.testing.assert_allclose(moving_mean(values, 1), values)
    np.testing.assert_allclose(moving_mean(values, 99), np.full(5, 4.0))


def test_names_that_a_font_lacks_are_numbered(tmp_path, entries):
    runs = [read_run(write_run(tmp_path / name, entries)) for name in ("x_1", "小", "$a$", "_b")]
    assert labels_of(runs) == ["x_1", "run 2", "run 3", "run 4"]
    assert any(line.startswith("小 (run 2 in the picture): ") for line in summarize(runs))


def test_what_is_no_run_is_one_line(tmp_path, entries, capsys):
    assert "nowhere: no such folder" in refused([tmp_path / "nowhere"], capsys)
    write_run(tmp_path / "trials" / "trial_1", entries)
    assert "no log.jsonl; there are runs in it, name them: trial_1" in refused(
        [tmp_path / "trials"], capsys
    )
    empty = write_run(tmp_path / "begun", [], cut='{"step"')
    assert "begun/log.jsonl: no complete line yet" in refused([empty], capsys)
    broken = write_run(tmp_path / "broken", entries)
    log = broken / "log.jsonl"
    log.write_text(log.read_text("utf-8").replace('{"step": 20', '{"step" 20', 1), "utf-8")
    assert "broken/log.jsonl: line 3: not JSON" in refused([broken], capsys)
    good = write_run(tmp_path / "good", entries)
    assert "named twice" in refused([good, good], capsys)
    assert "ends in .png" in refused([good, "--output", tmp_path / "x.pdf"], capsys)
    assert not (good / "report.png").exists()


def test_without_matplotlib_the_extra_is_named(tmp_path, entries, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "-e '.[report]'" in refused([write_run(tmp_path / "run", entries)], capsys)

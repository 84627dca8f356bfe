"""Whose an output folder is, and what is in the way of a run."""

from pathlib import Path

import pytest

from paddle_electra import files
from paddle_electra.errors import InputError
from paddle_electra.finetuning.run import run


def test_a_second_job_is_refused_until_the_first_has_ended(options, monkeypatch):
    settings = options(num_train_epochs=0.1)
    with files.only_writer(settings.output):
        monkeypatch.setattr(files.only_writer.__wrapped__, "__defaults__", (0.2,))
        with pytest.raises(InputError, match="out: another process is at work there"):
            run(settings)
    run(settings)


def test_a_finished_run_says_what_it_lacks(options, capsys):
    run(options(num_train_epochs=0.1, write_test_outputs=False))
    assert "without predictions" not in capsys.readouterr().out
    run(options(num_train_epochs=0.1))
    assert "it was made without predictions of test files" in capsys.readouterr().out


def test_options_of_reading_do_not_make_another_classification(options, capsys):
    run(options(num_train_epochs=0.1))
    run(options(num_train_epochs=0.1, max_query_length=3, answerable_weight=0.1))
    assert "already finished" in capsys.readouterr().out


def test_the_rest_of_a_killed_process_goes(options):
    rest = Path(options().output) / ".model.77.tmp"
    run(options(num_train_epochs=0.1))
    rest.mkdir()
    run(options("out", num_train_epochs=0.1))  # finished: untouched
    (Path(options().output) / "results.json").unlink()
    run(options(num_train_epochs=0.1))
    assert not rest.exists()

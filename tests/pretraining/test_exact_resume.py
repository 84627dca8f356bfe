"""However a run ends, the same command goes on to the same numbers, to the last bit."""

import contextlib
import json
import os
import resource
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from small_run import QUIET, SMALL

from paddle_electra import files
from paddle_electra.checkpoint.runs import list_checkpoints
from paddle_electra.config import from_dict
from paddle_electra.errors import InputError
from paddle_electra.pretraining import run as pretraining
from paddle_electra.pretraining import step as stepping
from paddle_electra.pretraining.options import PretrainOptions
from paddle_electra.training.interrupts import SIGNALS, interrupts
from paddle_electra.training.parallel import World
from paddle_electra.training.precision import LossScaler

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from kill_resume_entry import RENAMES, WRITES, Fault, build_in
from kill_resume_jobs import Job, differences, entries, steps_logged, unreadable

# Each save replaces the only checkpoint.
VALUES = {**SMALL, "keep_checkpoint_max": 1, "gradient_accumulation_steps": 2}
VALUES |= {"num_hidden_layers": 1, "train_batch_size": 4, "eval_batch_size": 4}
VALUES |= {"peak_tflops": 1.0}  # else it is measured


def hparams(shards, output, **changes):
    return {**VALUES, "data": str(shards), "output": str(output), **changes}


def pretrain(shards, output, **changes):
    pretraining.run(from_dict(PretrainOptions, hparams(shards, output, **changes)))


@pytest.fixture(scope="module")
def whole(shards, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "whole"
    pretrain(shards, output)
    return output


class Killed(BaseException):
    """Stands for SIGKILL: nothing on the disk changes any more."""


class FaultHere(Fault):
    """A fault of this very process; a kill is an exception after which nothing is cleaned up."""

    def __init__(self, patch, point, action, nth=2):
        super().__init__(point, nth, action, 0, "-")
        self.patch = patch

    def happen(self):
        if self.action == "kill":
            for owner, name in ((os, "replace"), (os, "unlink"), (os, "rmdir"), (shutil, "rmtree")):
                self.patch.setattr(owner, name, lambda *_, **__: None)
            raise Killed
        if self.action == "terminate":
            os.kill(os.getpid(), signal.SIGTERM)
        if self.action == "full":
            raise OSError(28, "No space left on device")


def pretrain_with(shards, output, *fault, error, match=None, **changes):
    """A run that ends at a fault; its checkpoints are sound then."""
    with pytest.MonkeyPatch.context() as patch:
        build_in(FaultHere(patch, *fault), patch.setattr)
        with pytest.raises(error, match=match):
            pretrain(shards, output, **changes)
    assert not unreadable(output)


@pytest.mark.parametrize("point", [*WRITES, *RENAMES, "log", "evaluation"])
def test_a_kill_anywhere_in_a_save_loses_no_checkpoint(shards, whole, tmp_path, point):
    output = tmp_path / "run"
    nth = 1 if point.startswith("rotation") else 2
    pretrain_with(shards, output, point, "kill", nth, error=Killed)
    if point not in ("log", "evaluation"):
        assert list_checkpoints(output)
    pretrain(shards, output)
    assert differences(output, whole) == []


def test_a_kill_while_the_settings_are_written(shards, whole, tmp_path):
    pretrain_with(shards, tmp_path / "run", "settings", "kill", 1, error=Killed)
    assert list((tmp_path / "run").iterdir())
    pretrain(shards, tmp_path / "run")
    assert differences(tmp_path / "run", whole) == []


@pytest.mark.parametrize("point", [*WRITES, "before the rename", "log"])
def test_a_full_disk_is_one_line_and_loses_nothing(shards, whole, tmp_path, point):
    output = tmp_path / "run"
    pretrain_with(shards, output, point, "full", 3, error=InputError, match="the disk is full")
    assert not list(output.rglob(".*")), "half files take room"
    pretrain(shards, output)
    assert differences(output, whole) == []


def test_a_limit_of_the_system_on_files(shards, whole, tmp_path):
    output, (soft, hard) = tmp_path / "run", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(InputError, match=r"optimizer\.safetensors|step-00000004.*ulimit"):
            pretrain(shards, output)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(output.rglob(".*"))
    pretrain(shards, output)
    assert differences(output, whole) == []


@pytest.mark.parametrize("point", ["optimizer", "after the rename", "evaluation", "log"])
def test_sigterm_saves_and_stops(shards, whole, tmp_path, point):
    output = tmp_path / "run"
    pretrain_with(shards, output, point, "terminate", error=KeyboardInterrupt)
    (step, folder) = list_checkpoints(output)[-1]
    assert step == steps_logged(output), "all that was done is kept"
    pending = json.loads((folder / "training.json").read_text("utf-8"))["pending"]
    assert pending == (["eval"] if point == "evaluation" else [])
    pretrain(shards, output)
    assert differences(output, whole) == []


def test_a_checkpoint_that_is_there_is_not_written_again(shards, tmp_path):
    """To replace it would be to have none for an instant."""
    output, replaced = tmp_path / "run", []
    with pytest.MonkeyPatch.context() as patch:
        fault = FaultHere(patch, "after the rename", "terminate", 1)
        build_in(fault, patch.setattr)
        replace = os.replace

        def noting(source, target):
            replaced.append(Path(target).name)
            replace(source, target)

        patch.setattr(os, "replace", noting)
        with pytest.raises(KeyboardInterrupt):
            pretrain(shards, output)
    assert replaced.count("step-00000004") == 1 and list_checkpoints(output)[-1][0] == 4


def test_what_was_evaluated_after_the_checkpoint_is_not_evaluated_again(shards, whole, tmp_path):
    output = tmp_path / "run"
    pretrain_with(shards, output, "evaluation", "terminate", error=KeyboardInterrupt)
    # The first line is the evaluation's, the second that of the next step.
    pretrain_with(shards, output, "log", "kill", 2, error=Killed)
    pretrain(shards, output)
    assert differences(output, whole) == []


def test_sigterm_often_and_ctrl_c_twice():
    with interrupts() as received:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert received == [signal.SIGTERM] * 3 + [signal.SIGINT]
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_the_loss_scale_goes_on(shards, whole, tmp_path, monkeypatch):
    def scaler(enabled):
        return LossScaler(True, scale=2.0**6, patience=5)

    monkeypatch.setattr(stepping, "LossScaler", scaler)
    pretrain(shards, tmp_path / "whole")
    scaled = entries(tmp_path / "whole")
    scales = [entry.pop("loss_scale") for entry in scaled if entry["kind"] == "train"]
    assert scales == [64.0] * 5 + [128.0] * 5 + [256.0] * 2
    # Powers of two change no bit of what is trained.
    assert scaled == entries(whole)
    fault = ("evaluation", "terminate")
    pretrain_with(shards, tmp_path / "run", *fault, error=KeyboardInterrupt)
    pretrain(shards, tmp_path / "run")
    assert differences(tmp_path / "run", tmp_path / "whole") == []


def test_what_killed_processes_left_is_cleaned_up(tmp_path):
    for name in (".a.7.tmp", ".b.7.old", ".c.8.old", "b", ".hidden", "kept.7.tmp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    (tmp_path / ".d.json.7.tmp").write_text("half")
    files.clean_up(tmp_path)
    found = {path.name: path / "file" for path in tmp_path.iterdir()}
    assert sorted(found) == [".hidden", "b", "c", "kept.7.tmp"]
    assert found["b"].read_text() == "b" and found["c"].read_text() == ".c.8.old"
    files.clean_up(tmp_path / "none")


def test_a_second_job_is_refused_until_the_first_has_ended(shards, whole, tmp_path, monkeypatch):
    shutil.copytree(whole, tmp_path / "run")
    with files.only_writer(tmp_path / "run"):
        monkeypatch.setattr(files.only_writer.__wrapped__, "__defaults__", (0.2,))
        with pytest.raises(InputError, match=r"run: another process is at work there"):
            pretrain(shards, tmp_path / "run")
    pretrain(shards, tmp_path / "run")


class Store:
    """The counters of a job of two, whose other rank is a thread."""

    def __init__(self):
        self.counts, self.lock = {}, threading.Lock()

    def add(self, key, number):
        with self.lock:
            self.counts[key] = self.counts.get(key, 0) + number
            return self.counts[key]


def test_rank_0_leaves_last():
    store, left = Store(), []
    ranks = [World(rank, 2, store) for rank in range(2)]

    def leave(rank, after):
        time.sleep(after)
        ranks[rank].leave()
        left.append(rank)

    for _ in range(2):
        threads = [threading.Thread(target=leave, args=args) for args in ((0, 0), (1, 0.3))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert left == [1, 0, 1, 0]


def test_signals_do_not_fall_into_calls_of_the_store():
    """Paddle takes an interrupted call for a lost connection."""

    def held():
        return set(SIGNALS) <= signal.pthread_sigmask(signal.SIG_BLOCK, ())

    class Watched(Store):
        def add(self, key, number):
            during.append(held())
            return super().add(key, number)

    during, store = [], Watched()
    World(1, 2, store).leave()
    World(0, 2, store).leave()
    assert during == [True, True] and not held()


def test_a_killed_launcher_is_noticed(monkeypatch):
    monkeypatch.setenv("PADDLE_LOG_DIR", "log")  # as the launcher does
    launched, alone = World(0, 2, Store()), World()
    assert not launched.is_deserted
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert launched.is_deserted and not alone.is_deserted
    monkeypatch.delenv("PADDLE_LOG_DIR")
    assert not launched.is_deserted  # started by hand: its shell may end


def job(shards, output, name, processes=2, fault=None, **changes):
    """A job under the launcher that has ended; fault: (point, action, nth, rank)."""
    keys = ("point", "action", "nth", "rank")
    fault = fault and dict(zip(keys, fault, strict=True))
    values = hparams(shards, output, **changes)
    job = Job(values, processes, output.with_name(f"{output.name}-{name}"), fault)
    with contextlib.ExitStack() as stack:
        stack.callback(job.kill_all)
        job.wait_for_end()
    assert fault is None or job.marker.exists(), job.said()[-3000:]
    assert not unreadable(output)
    return job


@pytest.mark.slow
def test_two_processes_stopped_and_killed_equal_uninterrupted(shards, tmp_path):
    whole, output = tmp_path / "whole", tmp_path / "run"
    assert job(shards, whole, "whole").code == 0
    stopped = job(shards, output, "stopped", fault=("evaluation", "terminate", 1, 1))
    assert "stopped at step 6" in stopped.said() and "error" not in stopped.said()
    assert list_checkpoints(output)[-1][0] == 6
    # After the line of the evaluation that was due, in the middle of that of step 7.
    killed = job(shards, output, "killed", fault=("log", "kill", 2, 0))
    assert killed.named_logs() == [0]
    assert job(shards, output, "last").code == 0
    assert differences(output, whole) == []


@pytest.mark.slow
def test_another_number_of_processes_goes_on_alike(shards, tmp_path):
    pretrain(shards, tmp_path / "whole", **QUIET)
    output = tmp_path / "run"
    fault = ("log", "terminate", 3)
    pretrain_with(shards, output, *fault, error=KeyboardInterrupt, **QUIET)
    assert list_checkpoints(output)[-1][0] == 3
    failed = job(shards, output, "two", fault=("evaluation", "kill", 3, 1), **QUIET)
    assert failed.named_logs() == [1]
    assert list_checkpoints(output)[-1][0] == 8
    pretrain(shards, output, **QUIET)
    ours, theirs = (entries(run) for run in (output, tmp_path / "whole"))
    assert [(e["step"], e["kind"]) for e in ours] == [(e["step"], e["kind"]) for e in theirs]
    for key in ("loss", "gradient_norm", "tokens_seen", "learning_rate"):
        values = [[e[key] for e in log if e["kind"] == "train"] for log in (ours, theirs)]
        np.testing.assert_allclose(*values, rtol=1e-4, err_msg=key)
    held_out = [[e for e in log if e["kind"] == "eval"] for log in (ours, theirs)]
    for key in ("mlm_loss", "discriminator_loss", "rtd_auc"):
        values = [[e[key] for e in log] for log in held_out]
        assert len(values[0]) > 0
        np.testing.assert_allclose(*values, rtol=1e-3, err_msg=key)

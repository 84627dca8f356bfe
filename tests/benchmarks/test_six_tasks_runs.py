"""The runs of the six tasks: command line, data, queue, signals, resuming."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
import six_tasks
import six_tasks_jobs as jobs
import six_tasks_table as tables
from six_tasks_folders import BENCHMARKS, write_data, write_trials
from tiny_checkpoint import make_checkpoint

from paddle_electra.errors import InputError


def command(*words):
    return [sys.executable, str(BENCHMARKS / "six_tasks.py"), *map(str, words)]


def run(*words):
    return subprocess.run(command(*words), capture_output=True, text=True)


def test_data_in_either_place_and_missing_data(tmp_path):
    write_data(tmp_path / "chnsenticorp")
    write_data(tmp_path / "finetuning_data" / "lcqmc")
    (tmp_path / "bqcorpus").mkdir()
    (tmp_path / "bqcorpus" / "train.tsv").write_text("")
    found, missing = six_tasks.find_data(tmp_path, six_tasks.name_tasks(None))
    assert found == {
        "chnsenticorp": tmp_path / "chnsenticorp",
        "lcqmc": tmp_path / "finetuning_data" / "lcqmc",
    }
    assert set(missing) == {"cmrc2018", "drcd", "xnli", "bqcorpus"}
    assert "no dev.tsv in" in missing["bqcorpus"] and "by application" in missing["bqcorpus"]
    assert "no train.json and dev.json" in missing["drcd"]
    assert "https://github.com/DRCKnowledgeTeam/DRCD" in missing["drcd"]


@pytest.fixture
def stub(monkeypatch):
    """Let each job write a trial, or do what ``stub[task]`` says, instead of fine-tuning."""
    programs = {}
    write = (
        "import json, os, pathlib, sys; folder = pathlib.Path(sys.argv[1], 'trial_1'); "
        "folder.mkdir(parents=True, exist_ok=True); "
        "scores = {'examples': 2, 'accuracy': 50.0, 'em': 1.0, 'f1': 2.0}; "
        "(folder / 'results.json').write_text(json.dumps({'seed': 1, 'size': 'small', "
        "'gpu': os.environ['CUDA_VISIBLE_DEVICES'], 'words': sys.argv[2:], 'dev': scores}))"
    )

    def _command(job, options):
        program = programs.get(job.task, write)
        return [sys.executable, "-c", program, str(job.output), *options]

    monkeypatch.setattr(jobs.Job, "command", _command)
    return programs


@pytest.fixture
def main(tmp_path, capfd):
    """main(*words) -> (exit code, standard output, standard error) of a run on the processor."""
    (tmp_path / "model").mkdir()

    def _main(*words):
        own = ["--models", f"a={tmp_path / 'model'}", "--data", str(tmp_path / "data")]
        own += ["--output", str(tmp_path / "out"), "--gpus", "none", "--trials", "1"]
        code = six_tasks.main([*own, *words])
        return code, *capfd.readouterr()

    return _main


def test_missing_data_is_told_twice_and_the_rest_runs(stub, main, tmp_path):
    write_data(tmp_path / "data" / "chnsenticorp")
    code, out, err = main("--tasks", "xnli", "chnsenticorp")
    assert code == 0
    assert err.count("six_tasks: missing: xnli: no train.tsv and dev.tsv") == 2
    assert "[0/1] start a chnsenticorp on the processor" in out
    assert "[1/1] done a chnsenticorp" in out
    text = (tmp_path / "out" / "six_tasks.md").read_text("utf-8")
    assert "a: no scores, the data set is missing" in text
    assert "## XNLI" in text and "| **a** | 50.00 (50.00) |" in text


@pytest.mark.slow
def test_a_failed_job_does_not_stop_the_others(stub, main, tmp_path):
    write_data(tmp_path / "data" / "chnsenticorp")
    write_data(tmp_path / "data" / "lcqmc")
    stub["lcqmc"] = "import sys; print('first'); sys.exit('x: error: bad row\\nmore')"
    code, out, err = main("--tasks", "lcqmc", "chnsenticorp")
    assert code == 1
    log = tmp_path / "out/runs/a/lcqmc.log"
    assert f"six_tasks: failed: a lcqmc: x: error: bad row ({log})" in err
    assert "first" in log.read_text()
    assert "[2/2] done a chnsenticorp" in out
    found = json.loads((tmp_path / "out/six_tasks.json").read_text("utf-8"))
    assert list(found["scores"]["a"]) == ["chnsenticorp"]
    stub.clear()
    assert main("--tasks", "lcqmc", "chnsenticorp")[0] == 0


def test_what_the_jobs_get(stub, main, tmp_path):
    write_data(tmp_path / "data" / "lcqmc")
    assert main("--tasks", "lcqmc", "--seed", "4", "--", "--num-train-epochs", "1")[0] == 0
    result = json.loads((tmp_path / "out/runs/a/lcqmc/trial_1/results.json").read_text())
    expected = ["--num-trials", "1", "--seed", "4", "--num-train-epochs", "1"]
    assert result["words"] == expected and result["gpu"] == ""


def test_the_command_of_a_job(tmp_path):
    job = jobs.Job("a", "p", "xnli", tmp_path / "xnli", tmp_path / "runs/a/xnli")
    words = job.command(["--seed", "1"])
    assert words[1:4] == ["-m", "paddle_electra", "finetune"]
    given = dict(zip(words[4::2], words[5::2], strict=True))
    assert given == {
        "--task": "xnli",
        "--model": "p",
        "--data": str(tmp_path / "xnli"),
        "--output": str(tmp_path / "runs/a/xnli"),
        "--seed": "1",
    }


def test_each_gpu_works_on_one_job_at_a_time(stub, main, tmp_path, monkeypatch):
    for task in ("lcqmc", "bqcorpus"):
        write_data(tmp_path / "data" / task)
        # Ends when the other one has begun, so they must be at work together.
        other = {"lcqmc": "bqcorpus", "bqcorpus": "lcqmc"}[task]
        stub[task] = (
            "import os, pathlib, sys, time\n"
            "out = pathlib.Path(sys.argv[1]); out.mkdir(parents=True)\n"
            "(out / 'gpu').write_text(os.environ['CUDA_VISIBLE_DEVICES'])\n"
            f"while not (out.parent / '{other}' / 'gpu').exists(): time.sleep(0.02)"
        )
    monkeypatch.setattr(six_tasks, "visible_gpus", lambda wanted: ["3", "5"])
    assert main("--tasks", "lcqmc", "bqcorpus")[0] == 0
    used = [(tmp_path / "out/runs/a" / task / "gpu").read_text() for task in ("lcqmc", "bqcorpus")]
    assert used == ["3", "5"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_children(stub, main, tmp_path, number):
    write_data(tmp_path / "data" / "lcqmc")
    stub["lcqmc"] = (
        "import pathlib, sys, time; out = pathlib.Path(sys.argv[1]); out.mkdir(parents=True)\n"
        "try: (out / 'begun').touch(); time.sleep(600)\n"
        "except KeyboardInterrupt: (out / 'saved').touch()"
    )
    folder = tmp_path / "out/runs/a/lcqmc"

    def interrupt():
        while not (folder / "begun").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    threading.Thread(target=interrupt, daemon=True).start()
    before = signal.getsignal(number)
    code, _, err = main("--tasks", "lcqmc")
    assert code == 130 and "the same command continues" in err
    assert (folder / "saved").exists()
    assert signal.getsignal(number) == before


def test_a_second_run_at_the_same_time_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(six_tasks.time, "sleep", lambda seconds: None)
    with six_tasks.only_one(tmp_path):
        with pytest.raises(InputError, match=r"another six_tasks\.py is at work there"):
            with six_tasks.only_one(tmp_path):
                pass
    with six_tasks.only_one(tmp_path):
        pass


@pytest.mark.parametrize(
    ("wanted", "environment", "count", "expected"),
    [
        ("none", None, 4, [""]),
        (None, None, 0, [""]),
        (None, None, 2, ["0", "1"]),
        (None, "2,5", 2, ["2", "5"]),
        (None, "", 0, [""]),
        ("1,3", None, 2, ["1", "3"]),
    ],
)
def test_gpus(monkeypatch, wanted, environment, count, expected):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if environment is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", environment)
    done = SimpleNamespace(returncode=0, stdout=f"{count}\n")
    monkeypatch.setattr(jobs.subprocess, "run", lambda *words, **more: done)
    assert jobs.visible_gpus(wanted) == expected


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("0,1", "--gpus 0,1: paddle finds 1 of them; or give none"),
        ("0,0", "--gpus 0,0: expected different numbers such as 0,1, or none"),
        ("", "--gpus : expected different numbers such as 0,1, or none"),
    ],
)
def test_wrong_gpus(monkeypatch, wanted, message):
    done = SimpleNamespace(returncode=0, stdout="1\n")
    monkeypatch.setattr(jobs.subprocess, "run", lambda *words, **more: done)
    with pytest.raises(InputError, match=re.escape(message)):
        jobs.visible_gpus(wanted)


def test_table_only_through_the_command_line(tmp_path):
    write_trials(tmp_path, "a", "chnsenticorp", [((90,), (80,)), ((92,), (82,))])
    make_checkpoint(tmp_path / "a")
    words = ["--output", tmp_path, "--table-only"]
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "six_tasks: error: --models is missing: NAME=PATH of each checkpoint\n"
    done = run(*words, "--models", tmp_path / "a", "--trials", 5)
    assert done.returncode == 0, done.stderr
    assert "ours, 2 of 5 trials" in (tmp_path / tables.MARKDOWN).read_text("utf-8")
    write_trials(tmp_path, "a", "chnsenticorp", [((90,), (80,))] * 3)
    before = (tmp_path / tables.JSON).read_text("utf-8")
    assert run(*words).returncode == 0
    assert "ours, 3 of 5 trials" in (tmp_path / tables.MARKDOWN).read_text("utf-8")
    after = json.loads((tmp_path / tables.JSON).read_text("utf-8"))
    assert after["settings"] == json.loads(before)["settings"]


def test_models_run_before_stay_in_the_tables(stub, main, tmp_path):
    write_data(tmp_path / "data" / "lcqmc")
    (tmp_path / "other").mkdir()
    assert main("--tasks", "lcqmc")[0] == 0
    assert main("--tasks", "lcqmc", "--models", str(tmp_path / "other"))[0] == 0
    found = json.loads((tmp_path / "out/six_tasks.json").read_text("utf-8"))
    assert list(found["scores"]) == ["a", "other"]
    assert len(found["welch"]["lcqmc"]) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tasks", "chnsenticrop"], "did you mean 'chnsenticorp'?"),
        (["--tasks", "xnli"], "nothing to run: xnli: no train.tsv and dev.tsv in"),
        (["--trials", "0"], "--trials 0: expected at least 1"),
        (["--trials", "x"], "--trials: invalid int value"),
        (["--trails", "3"], "unrecognized arguments: --trails 3"),
        (["--data", "/nowhere"], "--data /nowhere: no such folder"),
        (["--models", "nowhere"], "--models nowhere: nowhere: no such checkpoint"),
        (["--models", "a="], "--models a=: no path after the name"),
        (["--models", "a/b=/tmp"], "'a/b' is not a name of a folder; use NAME=PATH"),
        (["--models", "a=/tmp", "a=/usr"], "two models are called a; use NAME=PATH"),
        (["--", "--seed", "3"], "--seed after --: six_tasks.py sets it; drop it"),
        (["--", "--task-names", "xnli"], "--task after --: six_tasks.py sets it; drop it"),
        (["--", "--num-train-epoch", "3"], "did you mean 'num_train_epochs'?"),
    ],
)
def test_wrong_command_lines(main, tmp_path, words, message):
    write_data(tmp_path / "data" / "chnsenticorp")
    code, _, err = main(*words)
    assert code == 2
    assert message in err and err.startswith("six_tasks: error: ") and err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seed", "2"], "holds runs with another seed (1, now 2); name a new folder"),
        (["--", "--num-train-epochs", "1"], "holds runs with another finetune ([], now ["),
        (["--models", "a=/tmp"], "there the model a is "),
    ],
)
def test_a_folder_of_other_runs_is_refused(stub, main, tmp_path, words, message):
    write_data(tmp_path / "data" / "lcqmc")
    assert main("--tasks", "lcqmc")[0] == 0
    before = (tmp_path / "out" / tables.JSON).read_bytes()
    code, _, err = main("--tasks", "lcqmc", *words)
    assert code == 2 and message in err
    assert (tmp_path / "out" / tables.JSON).read_bytes() == before


@pytest.mark.slow
def test_a_killed_run_comes_to_the_same_table(tmp_path):
    make_checkpoint(tmp_path / "model")
    write_data(tmp_path / "data" / "chnsenticorp", count=320)
    words = ["--models", f"tiny={tmp_path / 'model'}", "--tasks", "chnsenticorp", "--trials", 2]
    words += ["--data", tmp_path / "data", "--gpus", "none"]
    options = ["--", "--learning-rate", 3e-3, "--layerwise-lr-decay", 1, "--save-minutes", 0.01]
    options += ["--num-train-epochs", 4, "--train-batch-size", 16]

    def start(name):
        return command(*words, "--output", tmp_path / name, *options)

    done = subprocess.run(start("whole"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    trials = tmp_path / "killed/runs/tiny/chnsenticorp"
    for number in (1, 2):
        process = subprocess.Popen(
            start("killed"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        while not list(trials.glob(f"trial_{number}/checkpoints/step-*")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        time.sleep(random.uniform(0, 1))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    done = subprocess.run(start("killed"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    whole, killed = (tmp_path / name for name in ("whole", "killed"))
    assert (killed / tables.JSON).read_text("utf-8") == (whole / tables.JSON).read_text("utf-8")
    assert without_times(killed) == without_times(whole)
    messages = trials.with_name("chnsenticorp.log").read_text("utf-8")
    assert "continuing after step" in messages or "already finished" in messages


def without_times(output):
    """The results of the two trials, with losses to the last digit."""
    found = tables.finished_trials(output / "runs/tiny/chnsenticorp")
    for trial in found:
        del trial["train"]["seconds"]
    assert [trial["seed"] for trial in found] == [1, 2]
    assert found[0]["dev"] != found[1]["dev"]
    return found

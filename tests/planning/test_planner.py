"""The plan: its figures, what it refuses, how it reads."""

import dataclasses
import json
import re
import shlex
from pathlib import Path

import pytest

from paddle_electra import cli
from paddle_electra.config import from_arguments, from_dict
from paddle_electra.errors import InputError
from paddle_electra.hparams import read_hparams
from paddle_electra.modeling.config import SIZES, ElectraConfig
from paddle_electra.modeling.flops import parameter_counts, total_parameters, training_flops
from paddle_electra.planning.accelerators import ACCELERATORS
from paddle_electra.planning.memory import BUCKET, MOMENTS, USABLE, Setup, memory, peak
from paddle_electra.planning.options import PlanOptions
from paddle_electra.planning.planner import plan
from paddle_electra.planning.recipes import RECIPES
from paddle_electra.pretraining.options import PretrainOptions
from paddle_electra.pretraining.original_options import RunPretrainingOptions
from paddle_electra.pretraining.shards import token_type, write_shard
from paddle_electra.training import parallel

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "pretraining"
GIB = 2**30


def planned(**values):
    return plan(PlanOptions(**{"size": "base", **values}))


@pytest.mark.parametrize("size", SIZES)
def test_recipes_are_those_of_the_configuration_files(size):
    values = read_hparams(str(CONFIGS / f"{size}.json"))
    recipe = RECIPES[size]
    assert values["model_size"] == size
    assert values["learning_rate"] == recipe.learning_rate
    assert values["train_batch_size"] == recipe.batch
    assert values["num_train_steps"] == recipe.steps
    assert values["num_warmup_steps"] == recipe.warmup
    assert values.get("max_seq_length", recipe.length) == recipe.length


@pytest.mark.parametrize("size", [size for size in SIZES if size != "tiny"])
def test_heads_of_the_configuration_files_say_what_the_plan_says(size):
    text = (CONFIGS / f"{size}.json").read_text("utf-8")
    head = " ".join(line[2:].strip() for line in text.splitlines() if line.startswith("//"))
    command = re.search(r"paddle-electra plan ((?:--[\w-]+ [\w-]+ ?)+)", head).group(1)
    values = plan(from_arguments(PlanOptions, shlex.split(command), "paddle-electra plan"))
    settings = values["settings"]
    assert settings["size"] == size
    assert f"{settings['steps']:,} updates of {settings['batch']:,} examples" in head
    assert f"{values['time']['days']:.1f} days on {settings['gpus']} A100" in head
    assert f"at {settings['utilisation']:.0%} of their peak rate" in head
    assert f"{values['memory']['peak'] / GIB:.1f} GiB a card" in head
    assert f"--max-seq-length {settings['seq']}" in head
    assert values["memory"]["fits"]
    one = planned(size=size, gpu=settings["gpu"], precision=settings["precision"])
    assert one["memory"]["fits"]
    peak_of_one, days_of_one = one["memory"]["peak"] / GIB, one["time"]["days"]
    assert f"on one card ({peak_of_one:.1f} GiB, {days_of_one:.1f} days)" in head


@pytest.mark.parametrize("size", [size for size in SIZES if size != "tiny"])
def test_commands_in_heads_of_the_configuration_files_do_what_was_planned(size, monkeypatch):
    monkeypatch.chdir(CONFIGS.parents[1])
    text = (CONFIGS / f"{size}.json").read_text("utf-8").replace("\\\n//", "")
    commands = [shlex.split(line[2:]) for line in text.splitlines() if line.startswith("//     ")]
    plans, *runs, original = commands
    planned_for = from_arguments(PlanOptions, plans[2:], "paddle-electra plan")
    assert len(runs) == 2
    for command in runs:
        arguments = command[command.index("pretrain") + 1 :]
        options = from_arguments(PretrainOptions, arguments, "paddle-electra pretrain")
        assert options.precision == planned_for.precision
        assert options.gradient_accumulation_steps == planned_for.accumulate
        assert options.train_batch_size == planned_for.batch
    assert len(runs[0][runs[0].index("--gpus") + 1].split(",")) == planned_for.gpus

    script = original.index("tools/run_pretraining.py")
    flags = from_arguments(RunPretrainingOptions, original[script + 1 :], "run_pretraining.py")
    added = json.loads("{" + re.search(r'^// ("precision": "\w+") to it', text, re.M)[1] + "}")
    values = {**read_hparams(flags.hparams), **added, "data": "SHARDS", "output": "RUN"}
    assert from_dict(PretrainOptions, values) == dataclasses.replace(options, hparams=None)


def test_time_is_operations_over_rate():
    values = planned(gpus=8, gpu="h100", precision="bf16", utilisation=0.4, padded_share=0.0)
    config = ElectraConfig.from_size("base", 21128)
    step = training_flops(config, [512] * 256, 77 * 256)  # round(0.15 * 512) slots each
    assert values["flops"]["step"] == step
    assert values["flops"]["token"] == step / (512 * 256)
    seconds = step * 1_000_000 / (8 * 989e12 * 0.4)
    assert values["time"]["seconds"] == pytest.approx(seconds)
    assert values["time"]["days"] == pytest.approx(seconds / 86400)
    assert values["time"]["gpu_hours"] == pytest.approx(8 * seconds / 3600)


def test_padding_makes_fewer_tokens_and_less_work_but_no_less_memory():
    full, half = planned(padded_share=0.0), planned(padded_share=0.5)
    assert half["flops"]["tokens_a_run"] * 2 == full["flops"]["tokens_a_run"]
    assert half["flops"]["run"] < full["flops"]["run"] / 2
    assert half["memory"]["peak"] == full["memory"]["peak"]


def test_parameters_count_shared_embeddings_once():
    parameters = planned()["parameters"]
    together = parameters["discriminator"] + parameters["generator"] - parameters["shared"]
    assert parameters["both"] == together


def test_more_parts_recomputation_and_flash_attention_take_less_memory():
    config = ElectraConfig.from_size("base", 21128)
    setup = Setup(examples=32, length=512)
    assert peak(config, setup._replace(examples=16, parts=2)) < peak(config, setup)
    assert peak(config, setup._replace(recompute=True)) < peak(config, setup) / 3
    assert peak(config, setup._replace(attention="sdpa")) < peak(config, setup)
    assert peak(config, setup._replace(mode="O1")) < peak(config, setup)
    assert peak(config, setup._replace(mode="O2")) < peak(config, setup)


def at(moment, config, setup):
    """{kind: bytes at a moment}"""
    return {
        kind: sizes[MOMENTS.index(moment)]
        for kind, sizes in memory(config, setup).items()
        if sizes[MOMENTS.index(moment)]
    }


def test_halves_are_in_memory_one_after_the_other():
    config = ElectraConfig.from_size("small", 21128)
    sizes = memory(config, Setup(examples=8, length=128))
    halves = sizes["activations, generator"], sizes["activations, discriminator"]
    assert all(map(any, halves))
    for moment, *both in zip(MOMENTS, *halves, strict=True):
        assert 0 in both, moment
    assert "logits" in at("generator backward ends", config, Setup(examples=8, length=128))
    assert "logits" not in at(
        "discriminator backward begins", config, Setup(examples=8, length=128)
    )


@pytest.mark.parametrize("tied", [True, False])
def test_gradients_that_exist_are_those_of_halves_that_are_done(tied):
    config = ElectraConfig.from_size("small", 21128)
    config = config if tied else config.untied()
    counts = parameter_counts(config)
    generator = sum(counts["generator"].values())
    if tied:
        generator += counts["discriminator"]["embeddings"]
    everything = 4 * total_parameters(config)
    one, several = Setup(examples=2, length=64), Setup(examples=1, length=64, parts=2)
    assert memory(config, one)["gradients"] == [0, 0] + 2 * [4 * generator] + 3 * [everything]
    assert memory(config, several)["gradients"] == 7 * [everything]


def test_drawing_tokens_takes_three_tensors_of_the_vocabulary():
    config = ElectraConfig.from_size("tiny", 21128)
    kinds = ("logits", "softmax, then its gradient", "cumulative sums")
    cells = 2 * 19 * 21128  # round(0.15 * 128) slots each
    for mode, sizes in {"float32": (4, 4, 4), "O1": (2, 4, 4), "O2": (2, 4, 4)}.items():
        held = at("generator samples", config, Setup(examples=2, length=128, mode=mode))
        assert [held[kind] for kind in kinds] == [size * cells for size in sizes]


def test_level_o2_saves_no_activations_and_keeps_the_weights_twice():
    config = ElectraConfig.from_size("base", 21128)
    setup = Setup(examples=32, length=512, attention="sdpa")
    first = memory(config, setup._replace(mode="O1"))
    second = memory(config, setup._replace(mode="O2"))
    names = "weights", "float32 copy of the weights", "16-bit copies of the weights"
    assert {kind for kind in first if first[kind] != second[kind]} == set(names)
    weights = total_parameters(config)
    assert [second[kind] for kind in names] == [[2 * weights] * 7, [4 * weights] * 7, [0] * 7]


def test_several_cards_exchange_gradients_in_buckets():
    exchanged = lambda size, gpus: memory(  # noqa: E731
        ElectraConfig.from_size(size, 21128), Setup(examples=1, length=16, gpus=gpus)
    )["gradients under exchange"]
    moment = MOMENTS.index("exchange")
    assert BUCKET == parallel.BUCKET
    assert exchanged("tiny", 2)[moment] == 2 * 4 * total_parameters(
        ElectraConfig.from_size("tiny", 21128)
    )
    assert exchanged("large", 2)[moment] == 2 * 4 * BUCKET
    assert not any(exchanged("tiny", 1))


def test_what_fits_is_the_smallest_that_does():
    values = planned(size="large", gpu="v100", precision="fp16")
    assert not values["memory"]["fits"]
    usable = ACCELERATORS["v100"].memory * GIB * USABLE
    assert [way["recompute"] for way in values["memory"]["remedies"]] == [False, True]
    for way in values["memory"]["remedies"]:
        settings = {"recompute": way["recompute"], "gpu": "v100", "precision": "fp16"}
        again = planned(size="large", accumulate=way["accumulate"], **settings)["memory"]
        assert again["fits"]
        assert again["peak"] == way["peak"] <= usable
        if way["accumulate"] > 1:
            before = planned(size="large", accumulate=way["accumulate"] - 1, **settings)
            assert not before["memory"]["fits"]


def test_nothing_fits_a_card_that_is_too_small():
    values = planned(size="large", memory_gib=2.0)["memory"]
    assert values["fits"] is False
    assert values["remedies"] == []


@pytest.mark.parametrize("vocab_size", [200, 70_000])
def test_shards_are_as_large_as_those_written(vocab_size, tmp_path):
    text = {"corpus_gb": 1e-6, "bytes_per_token": 2.5, "padded_share": 0.5}
    corpus = planned(seq=16, batch=10, steps=100, vocab_size=vocab_size, **text)["corpus"]
    assert corpus["tokens"] == 400  # 1000 bytes
    assert corpus["examples"] == 50  # of 8 tokens
    with write_shard(tmp_path, "shard", vocab_size) as writer:
        for _ in range(corpus["examples"]):
            writer.append([7] * 8, [8], [8])
    assert (tmp_path / "shard.tokens").stat().st_size == corpus["token_bytes"]
    assert (tmp_path / "shard.index").stat().st_size == corpus["index_bytes"]
    assert corpus["token_bytes"] == 400 * token_type(vocab_size).itemsize
    assert corpus["epochs"] == 10 * 100 / 50


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"gpu": "cpu"}, ["--gpu cpu", "--peak-tflops"]),
        ({"gpu": "v100", "precision": "bf16"}, ["--precision bf16", "v100", "fp16"]),
        ({"gpus": 8, "batch": 16, "accumulate": 4}, ["--batch 16", "--accumulate 4"]),
    ],
)
def test_what_cannot_be_planned_is_refused(values, words):
    with pytest.raises(InputError) as error:
        planned(**values)
    for word in words:
        assert word in str(error.value)


def test_a_processor_has_the_rate_that_was_given():
    values = planned(gpu="cpu", peak_tflops=0.1, utilisation=0.5)
    assert values["settings"]["attention"] == "eager"
    assert values["memory"]["fits"] is None
    assert values["time"]["seconds"] == pytest.approx(values["flops"]["run"] / 0.5e11)


def test_the_command_prints_a_table_and_json(capsys):
    arguments = ["plan", "--size", "base", "--gpus", "8", "--gpu", "h100", "--corpus-gb", "10"]
    assert cli.main(arguments) == 0
    text = capsys.readouterr().out
    assert cli.main([*arguments, "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert f"{values['parameters']['both']:,}" in text
    assert f"{values['flops']['token']:.3e}" in text
    assert f"peak {values['memory']['peak'] / GIB:.2f} GiB: fits" in text
    assert f"{values['time']['days']:.2f}" in text
    assert "assumption" in text
    assert f"{values['corpus']['tokens']:,}" in text
    heading = text[text.index("memory of a card") : text.index("  weights")].splitlines()[1:]
    for word in " ".join(MOMENTS).split():
        assert any(word in line for line in heading)


def test_the_table_names_what_to_do_when_memory_is_too_small(capsys):
    assert cli.main(["plan", "--size", "large", "--gpu", "v100", "--precision", "fp16"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"does not fit .* --accumulate \d+ .* or --recompute --accumulate \d+", text)

"""Every command that takes a model takes one of any format, and does the same with it."""

import shutil

import numpy as np
import pytest
from tiny_checkpoint import TEXTS, make_checkpoint

from paddle_electra import checkpoint, cli
from paddle_electra.inference.predictor import Predictor

FORMATS = ("tensorflow", "zip", "huggingface", "paddlenlp")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """{format: path} of one pretrained model with both halves."""
    root = tmp_path_factory.mktemp("models")
    found = {"native": make_checkpoint(root / "native", generator=True)}
    for name in ("tensorflow", "huggingface", "paddlenlp"):
        found[name] = root / name
        checkpoint.convert(found["native"], found[name], to=name)
    # The tensors tell no numbers of heads of such sizes: the configs must be in the zip.
    found["zip"] = shutil.make_archive(str(root / "packed"), "zip", root, "tensorflow")
    return found


@pytest.fixture
def reviews(tmp_path):
    folder = tmp_path / "reviews"
    folder.mkdir()
    for split in ("train", "dev"):
        rows = [f"{number % 2}\t{TEXTS[number % len(TEXTS)]}" for number in range(8)]
        (folder / f"{split}.tsv").write_text("label\ttext_a\n" + "\n".join(rows) + "\n", "utf-8")
    return folder


@pytest.mark.parametrize("name", FORMATS)
def test_embeddings_are_those_of_our_own_format(models, name):
    wanted, _ = Predictor.load(models["native"]).embed(TEXTS)
    found, _ = Predictor.load(str(models[name])).embed(TEXTS)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", ["native", *FORMATS])
def test_finetuning_takes_the_same_steps(models, name, reviews, tmp_path, capsys):
    line = f"finetune --task chnsenticorp --data {reviews} --num-train-epochs 1"
    line += " --train-batch-size 4 --max-seq-length 32"
    weights = []
    for source in ("native", name):
        output = tmp_path / f"of-{source}-{len(weights)}"
        arguments = [*line.split(), "--model", str(models[source]), "--output", str(output)]
        assert cli.main(arguments) == 0
        weights.append(dict(checkpoint.load(output).discriminator.items()))
    for key, array in weights[0].items():
        np.testing.assert_array_equal(array, weights[1][key], err_msg=key)


@pytest.mark.parametrize("name", FORMATS)
def test_a_module_is_built_from_it(models, name, tmp_path, capsys):
    line = f"module build --name any-model --output {tmp_path}/out"
    assert cli.main([*line.split(), "--model", str(models[name])]) == 0
    built = checkpoint.load(tmp_path / "out" / "any_model" / "assets")
    wanted = checkpoint.load(models["native"])
    for half in ("discriminator", "generator"):
        for key, array in getattr(wanted, half).items():
            np.testing.assert_array_equal(getattr(built, half)[key], array)


def test_a_generator_alone_is_refused_where_a_discriminator_is_needed(models, reviews, capsys):
    model = models["huggingface"] / "generator"
    for line in (
        f"finetune --task chnsenticorp --data {reviews} --output {reviews}/out --model {model}",
        f"module build --name any-model --output {reviews}/out --model {model}",
    ):
        assert cli.main(line.split()) == 2
        assert "this is a generator alone; give the discriminator" in capsys.readouterr().err


def test_berts_encoder_is_finetuned_on_its_pooled_output(reviews, tmp_path, capsys):
    bert = make_checkpoint(tmp_path / "bert", embedding_size=32, pooler=True)
    tensors = checkpoint.load(bert).discriminator
    encoder = {name: tensors[name] for name in tensors if name.startswith("electra.")}
    checkpoint.native.write_tensors(bert / checkpoint.native.DISCRIMINATOR, encoder)
    checkpoint.convert(bert, tmp_path / "tf", to="tensorflow")
    line = f"finetune --task chnsenticorp --data {reviews} --model {tmp_path}/tf"
    assert cli.main([*line.split(), "--output", f"{tmp_path}/out", "--num-train-epochs", "2"]) == 0
    tuned = checkpoint.load(tmp_path / "out")
    name = "electra.pooler.weight"
    assert tuned.config.pooler
    assert not np.array_equal(tuned.discriminator[name], encoder[name])  # it was trained too
    predictor = Predictor.load(tmp_path / "out")
    assert set(predictor.predict(TEXTS)) <= {"0", "1"}
    pooled, tokens = predictor.embed(TEXTS[:2])
    dense, bias = (tuned.discriminator[f"electra.pooler.{part}"] for part in ("weight", "bias"))
    np.testing.assert_allclose(pooled[0], np.tanh(tokens[0][0] @ dense + bias), atol=1e-5)

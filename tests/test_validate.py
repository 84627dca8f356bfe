"""``validate``: what it recognises, and that it finds what is not sound."""

import io
import json
import shutil
import tarfile

import numpy as np
import pytest
from good_things import call
from tiny_checkpoint import make_checkpoint

from paddle_electra import checkpoint
from paddle_electra.checkpoint import native, safetensors_file
from paddle_electra.cli import main
from paddle_electra.errors import InputError
from paddle_electra.validate import examine


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("model") / "model", generator=True)


@pytest.fixture
def copy(model, tmp_path):
    return shutil.copytree(model, tmp_path / "copy")


def refused(path, task=None):
    with pytest.raises(InputError) as caught:
        examine(path, task)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def edit(path, change):
    tensors = dict(safetensors_file.SafetensorsFile(path).items())
    change(tensors)
    safetensors_file.write(path, tensors)


@pytest.mark.parametrize("name", ["native", "tensorflow", "huggingface", "paddlenlp"])
def test_models(model, tmp_path, name, capsys):
    checkpoint.convert(model, tmp_path / "x", to=name)
    assert main(["validate", str(tmp_path / "x")]) == 0
    said = capsys.readouterr().out
    assert f"read    {name} checkpoint" in said
    assert "loaded  discriminator: " in said
    assert "loaded  generator: " in said
    assert "all finite" in said
    shutil.make_archive(str(tmp_path / "x"), "zip", tmp_path / "x")
    assert "all finite" in "\n".join(examine(tmp_path / "x.zip"))


def test_a_finetuned_model_and_a_generator_alone(model, tmp_path):
    tuned = make_checkpoint(tmp_path / "tuned", labels=["差", "好"])
    assert any(line.startswith("task    reviews (seq-cls), labels") for line in examine(tuned))
    checkpoint.convert(model, tmp_path / "half", to="native", half="generator")
    (loaded,) = [line for line in examine(tmp_path / "half") if line.startswith("loaded")]
    assert "generator" in loaded


def test_a_run_and_its_shards(made, run_folder):
    lines = examine(run_folder)
    assert any(line.startswith("resume ") for line in lines)
    assert examine(made / "shards")[0].startswith("shards ")


def test_task_files(made):
    lines = examine(made / "reviews")
    assert lines[0].startswith("task    chnsenticorp (seq-cls)")
    assert any("8 examples in train.tsv; labels: 0 4, 1 4" in line for line in lines)
    assert examine(made / "reviews", "chnsenticorp") == lines
    assert "no file of chnsenticorp; expected train.tsv" in refused(made / "shards", "chnsenticorp")


def test_task_files_in_the_folder_of_all_tasks(made, tmp_path):
    """What `finetune --data` takes."""
    shutil.copytree(made / "reviews", tmp_path / "DATA" / "chnsenticorp")
    inside = tmp_path / "DATA" / "chnsenticorp"
    assert examine(tmp_path / "DATA", "chnsenticorp") == examine(inside, "chnsenticorp")
    assert "no file of lcqmc; expected train.tsv" in refused(tmp_path / "DATA", "lcqmc")
    assert refused(made / "reviews", "custom") == (
        "--task custom: only files of cmrc2018, drcd, xnli, lcqmc, bqcorpus, chnsenticorp are read "
        "here; `paddle-electra finetune --task custom` reads and checks all of its files before it "
        "trains"
    )


def test_a_module_as_folder_and_archive(made, tmp_path):
    line = f"module build --model {{made}}/model --name any-model --output {tmp_path}/out"
    assert call(line, made=made) == 0
    for path in (tmp_path / "out" / "any_model", tmp_path / "out" / "any_model.tar.gz"):
        lines = examine(path)
        assert lines[0].startswith("module  any-model 1.0.0, PaddleHub")
        assert any("all finite" in line for line in lines)
    assert lines[0].endswith(f", in {path}/any_model")
    assert f"read    native checkpoint {path}/any_model/assets" in lines
    (tmp_path / "out" / "any_model" / "module.py").write_text("changed")
    assert "module.py: not the file that was built" in refused(tmp_path / "out" / "any_model")
    archive = tmp_path / "out" / "any_model.tar.gz"
    with tarfile.open(archive, "w:gz") as other:
        other.add(tmp_path / "out" / "any_model", "any_model")
    assert refused(archive).startswith(f"{archive}/any_model/module.py: not the file that was")
    archive.write_bytes(archive.read_bytes()[:2000])
    assert "any_model.tar.gz: not a readable .tar.gz archive" in refused(archive)


@pytest.mark.parametrize("name", ["/tmp/any_model/x", "any_model/../../x", "link"])
def test_an_archive_that_would_leave_its_folder(name, tmp_path):
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo(name)
        if name == "link":
            member.type, member.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(member, io.BytesIO())
    assert f"{name!r} is a link or leaves the module's folder" in refused(tmp_path / "x.tar.gz")


def test_numbers_that_are_not_finite(copy):
    def change(tensors):
        tensors["head.dense.bias"] = np.full_like(tensors["head.dense.bias"], np.nan)

    edit(copy / native.GENERATOR, change)
    assert "tensor 'head.dense.bias' has numbers that are not finite" in refused(copy)


def test_shapes_and_names_that_are_not_the_configs(copy):
    name = "electra.layers.1.output.bias"

    def wrong_shape(tensors):
        tensors[name] = np.zeros(5, "f4")

    edit(copy / native.DISCRIMINATOR, wrong_shape)
    assert f"tensor {name!r} has shape [5], config.json says [32]" in refused(copy)
    edit(copy / native.DISCRIMINATOR, lambda tensors: tensors.pop(name))
    assert f"tensor {name!r} is missing" in refused(copy)

    def another(tensors):
        tensors[name] = np.zeros(32, "f4")
        tensors["electra.extra"] = np.zeros(1, "f4")

    edit(copy / native.DISCRIMINATOR, another)
    assert "tensor 'electra.extra' is not part of this model" in refused(copy)


def test_a_vocabulary_of_another_model(copy):
    with open(copy / "vocab.txt", "a", encoding="utf-8") as handle:
        handle.write("多\n")
    assert "it is another model's vocabulary" in refused(copy)


def test_a_vocabulary_in_a_zip(copy, tmp_path):
    """Messages name the zip and the file in it."""
    with open(copy / "vocab.txt", "a", encoding="utf-8") as handle:
        handle.write("多\n")
    shutil.make_archive(str(tmp_path / "more"), "zip", tmp_path, "copy")
    where = f"{tmp_path / 'more.zip'}: copy/vocab.txt: "
    assert refused(tmp_path / "more.zip").startswith(where)
    (copy / "vocab.txt").write_bytes(b"[PAD]\n\xb2\xee\n")
    shutil.make_archive(str(tmp_path / "more"), "zip", tmp_path, "copy")
    assert refused(tmp_path / "more.zip").startswith(where)


def test_a_bad_row_and_shards_that_changed(made, tmp_path):
    shutil.copytree(made / "reviews", tmp_path / "reviews")
    with open(tmp_path / "reviews" / "dev.tsv", "a", encoding="utf-8") as handle:
        handle.write("7\t好\n")
    assert "dev.tsv: row 10: label '7' is outside the label set" in refused(tmp_path / "reviews")
    shutil.copytree(made / "shards", tmp_path / "shards")
    tokens = next((tmp_path / "shards").glob("*.tokens"))
    data = bytearray(tokens.read_bytes())
    data[3] ^= 1
    tokens.write_bytes(data)
    assert "SHA-256 differs" in refused(tmp_path / "shards")
    description = json.loads((tmp_path / "shards" / "dataset.json").read_text())
    assert description["shards"]


def test_nothing_that_is_known(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("x")
    answer = refused(tmp_path)
    assert "no model found; looked for" in answer
    assert "nor is it shards (dataset.json), a module (manifest.json)" in answer
    assert "no such folder" in refused(tmp_path / "nowhere")
    assert main(["validate"]) == 2
    assert "PATH is missing" in capsys.readouterr().err


def test_files_that_fit_two_tasks(tmp_path):
    (tmp_path / "train.tsv").write_text("你好\t你好吗\t1\n再见\t你好\t0\n", encoding="utf-8")
    lines = examine(tmp_path)
    assert lines[0] == (
        f"task    lcqmc (pair-cls), files in {tmp_path}; they would do for bqcorpus too"
    )
    assert "2 examples in train.tsv; labels: 0 1, 1 1" in lines[1]

"""``convert``: any format into any, to the bit; zips; names in the cache; what is refused."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from models import assert_same, random_checkpoint
from tiny_checkpoint import make_checkpoint

from paddle_electra import checkpoint
from paddle_electra.checkpoint import conversion, native, original, safetensors_file, torch_file
from paddle_electra.checkpoint.tensorflow import TensorBundle, write_bundle
from paddle_electra.cli import main
from paddle_electra.errors import InputError

FORMATS = ("native", "tensorflow", "huggingface", "paddlenlp")
ROOT = Path(__file__).resolve().parents[2]
WORDS = "electra.embeddings.word_embeddings.weight"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """{format: folder} of the same model, and the model in memory."""
    base = tmp_path_factory.mktemp("made")
    model = random_checkpoint(base)
    found = {}
    for name in FORMATS:
        (base / name).mkdir()
        conversion._WRITERS[name](base / name, model)
        found[name] = base / name
    return found, model


def refused(call, *arguments, **named):
    with pytest.raises(InputError) as caught:
        call(*arguments, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_any_format_into_any(made, tmp_path, source, to):
    folders, model = made
    done = checkpoint.convert(folders[source], tmp_path / "out", to=to)
    assert done.compared == len(model.discriminator) + len(model.generator)
    loaded = checkpoint.load(tmp_path / "out")
    assert loaded.format == to
    assert_same(model, loaded)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("to", FORMATS)
def test_half_precision_is_rounded_once_and_says_how_much(made, tmp_path, to):
    folders, model = made
    done = checkpoint.convert(folders["native"], tmp_path / "half", to=to, dtype="float16")
    loaded = checkpoint.load(tmp_path / "half")
    for half in ("discriminator", "generator"):
        before, after = getattr(model, half), getattr(loaded, half)
        for name in before:
            assert after[name].dtype == np.float16
            np.testing.assert_array_equal(after[name], before[name].astype(np.float16))
    changes = [
        np.abs(array - array.astype(np.float16)).max()
        for half in (model.discriminator, model.generator)
        for array in half.values()
    ]
    assert f"written as float16; the largest change of a number is {max(changes):.2g}" in "".join(
        done.lines
    )
    again = checkpoint.convert(tmp_path / "half", tmp_path / "whole", to="native", dtype="float32")
    assert again.checkpoint.discriminator[WORDS].dtype == np.float32
    assert "largest change of a number is 0" in "".join(again.lines)


@pytest.mark.parametrize("to", ["paddlenlp", "tensorflow"])
def test_halves_become_whole_where_halves_do_not_load(made, tmp_path, to):
    folders, _ = made
    checkpoint.convert(folders["native"], tmp_path / "half", to="native", dtype="float16")
    done = checkpoint.convert(tmp_path / "half", tmp_path / "whole", to=to)
    half, whole = (checkpoint.load(tmp_path / name) for name in ("half", "whole"))
    assert whole.discriminator[WORDS].dtype == np.float32
    np.testing.assert_array_equal(whole.discriminator[WORDS], half.discriminator[WORDS])
    assert "written as float32; the largest change of a number is 0" in "".join(done.lines)


def test_numbers_too_large_for_half_precision_are_refused(made, tmp_path):
    folders, _ = made
    tensors = dict(checkpoint.load(folders["native"]).discriminator)
    tensors[WORDS] = tensors[WORDS].copy()
    tensors[WORDS][1, 1] = 7e4
    shutil.copytree(folders["native"], tmp_path / "large")
    native.write_tensors(tmp_path / "large" / native.DISCRIMINATOR, tensors)
    convert = [checkpoint.convert, tmp_path / "large", tmp_path / "half"]
    message = refused(*convert, to="native", dtype="float16")
    assert f"tensor {WORDS!r} has numbers too large for float16" in message
    assert not (tmp_path / "half").exists()


@pytest.mark.parametrize("to", FORMATS)
def test_embeddings_of_their_own_survive(tmp_path, to):
    model = random_checkpoint(tmp_path, tied_embeddings=False)
    native.write_checkpoint(_made(tmp_path / "model"), model)
    checkpoint.convert(tmp_path / "model", tmp_path / "out", to=to)
    assert_same(model, checkpoint.load(tmp_path / "out"))


@pytest.mark.parametrize("to", FORMATS)
def test_berts_encoder_into_any(tmp_path, to):
    model = random_checkpoint(tmp_path, generator=False, pooler=True, embedding_size=12)
    native.write_checkpoint(_made(tmp_path / "model"), model)
    checkpoint.convert(tmp_path / "model", tmp_path / "out", to=to)
    loaded = checkpoint.load(tmp_path / "out")
    assert loaded.config.pooler
    assert loaded.discriminator.keys() == model.discriminator.keys()
    for name, array in model.discriminator.items():
        np.testing.assert_array_equal(loaded.discriminator[name], array)


def _made(folder):
    folder.mkdir()
    return folder


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("half", ["discriminator", "generator"])
def test_one_half_of_two(made, tmp_path, to, half):
    if (half, to) == ("generator", "tensorflow"):
        return
    folders, model = made
    checkpoint.convert(folders["native"], tmp_path / "out", to=to, half=half)
    loaded = checkpoint.load(tmp_path / "out")
    other = {"discriminator": "generator", "generator": "discriminator"}[half]
    assert getattr(loaded, other) is None
    np.testing.assert_array_equal(getattr(loaded, half)[WORDS], model.discriminator[WORDS])
    name = "head.dense.weight"
    np.testing.assert_array_equal(getattr(loaded, half)[name], getattr(model, half)[name])
    assert other in refused(
        checkpoint.convert, tmp_path / "out", tmp_path / "x", to="native", half=other
    )


def test_a_generator_alone_has_no_place_in_tensorflow(made, tmp_path):
    answer = refused(
        checkpoint.convert, made[0]["native"], tmp_path / "x", to="tensorflow", half="generator"
    )
    assert "a TensorFlow checkpoint holds a discriminator" in answer
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_is_its_folder(made, tmp_path, nested, compression):
    folder, model = made[0]["tensorflow"], made[1]
    path = tmp_path / "chinese_electra_small_L-12_H-256_A-4.zip"
    with zipfile.ZipFile(path, "w", compression) as archive:
        for file in folder.iterdir():
            archive.write(file, f"some/folder/{file.name}" if nested else file.name)
        archive.writestr("__MACOSX/._vocab.txt", b"\0")
        archive.writestr("some/folder/electra.meta" if nested else "electra.meta", b"a graph")
    loaded = checkpoint.load(path)
    assert_same(model, loaded)
    assert loaded.source == str(path)
    unpacked = loaded.vocab_file
    checkpoint.convert(path, tmp_path / "out", to="native")
    assert_same(model, checkpoint.load(tmp_path / "out"))
    del loaded
    assert not unpacked.exists()  # nothing stays behind


@pytest.mark.parametrize("source", FORMATS)
def test_zips_of_the_other_formats(made, tmp_path, source):
    shutil.make_archive(str(tmp_path / "model"), "zip", made[0][source])
    assert_same(made[1], checkpoint.load(tmp_path / "model.zip"))


def test_a_zip_without_a_model(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("vocab.txt", "a")
    assert "x.zip: no model in this archive; looked for" in refused(
        checkpoint.load, tmp_path / "x.zip"
    )
    (tmp_path / "y.zip").write_bytes(b"<html>quota exceeded</html>")
    assert "y.zip: not a readable zip archive" in refused(checkpoint.load, tmp_path / "y.zip")


def zipped(folder, path, inside="chinese_electra_small_L-12_H-256_A-4"):
    """The files of a folder as HFL's zips have them: in a folder of its own."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"{inside}/{file.name}")
    return path, f"{path}: {inside}"


def test_errors_about_a_zip_name_it_and_what_is_in_it(made, tmp_path):
    """Nobody can put a file into the temporary folder, which is gone when the message is read."""
    folder = shutil.copytree(made[0]["tensorflow"], tmp_path / "tf")
    (folder / "vocab.txt").rename(tmp_path / "vocab.txt")
    path, inside = zipped(folder, tmp_path / "novocab.zip")
    assert refused(checkpoint.load, path) == (
        f"{inside}: vocab.txt is missing; put the model's vocabulary there (to add a file or to "
        f"name one, unzip the archive and name its folder instead)"
    )
    (tmp_path / "vocab.txt").rename(folder / "vocab.txt")
    data = folder / "electra.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[40] ^= 1
    data.write_bytes(content)
    path, inside = zipped(folder, tmp_path / "changed.zip")
    said = refused(lambda name: dict(checkpoint.load(name).discriminator), path)
    assert said.startswith(f"{inside}/{data.name}: tensor '")
    assert said.endswith("has a wrong checksum; fetch the file again")
    data.unlink()
    path, inside = zipped(folder, tmp_path / "nodata.zip")
    said = refused(lambda name: dict(checkpoint.load(name).generator), path)
    assert said == f"{inside}/{data.name}: cannot be read (No such file or directory)"


def test_what_messages_call_the_vocabulary_of_a_zip(made, tmp_path):
    (tmp_path / "my models").mkdir()
    path, inside = zipped(made[0]["tensorflow"], tmp_path / "my models" / "m.zip")
    loaded = checkpoint.load(path)
    assert loaded.vocab_name == f"{inside}/vocab.txt"
    (command,) = re.findall("`(unzip .*)`", loaded.vocab_option)
    assert loaded.vocab_option.startswith("vocab.txt, taken out by `")
    unzip, option, archive, member, arrow, target = shlex.split(command)
    assert (unzip, option, archive, arrow, target) == ("unzip", "-p", str(path), ">", "vocab.txt")
    with zipfile.ZipFile(archive) as opened:
        assert opened.read(member) == (made[0]["tensorflow"] / "vocab.txt").read_bytes()
    loaded = checkpoint.load(made[0]["native"])
    assert loaded.vocab_option == loaded.vocab_name == str(made[0]["native"] / "vocab.txt")


def test_a_zip_of_several_models_names_them(made, tmp_path):
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        for name in ("native", "tensorflow"):
            for file in made[0][name].iterdir():
                archive.write(file, f"{name}/{file.name}")
    said = refused(checkpoint.load, tmp_path / "two.zip")
    assert "there are models in it, name one: native, tensorflow (to add a file or to name" in said


@pytest.mark.parametrize("source", FORMATS)
def test_a_folder_of_one_model_and_what_runs_leave_beside_it(made, tmp_path, source):
    """HFL's zip unpacked with its top folder: fine-tuning writes beside that folder."""
    above = tmp_path / "electra-small"
    shutil.copytree(made[0][source], above / "chinese_electra_small_L-12_H-256_A-4")
    for left in ("finetuning_models/cmrc2018_model", "results/cmrc2018_qa", "notes", ".cache"):
        (above / left).mkdir(parents=True)
    (above / "chinese_electra_small_L-12_H-256_A-4.zip").write_bytes(b"as it was downloaded")
    (above / ".DS_Store").write_bytes(b"")
    assert_same(made[1], checkpoint.load(above))
    shutil.copytree(made[0]["native"], above / "second")
    said = refused(checkpoint.load, above)
    assert said.startswith(f"{above}: no model found; ")
    name = "chinese_electra_small_L-12_H-256_A-4"
    assert said.endswith(f"; there are models in it, name one: {name}, second")
    shutil.rmtree(above / "second")
    (above / "config.json").write_text("{}", "utf-8")  # a folder of something else
    assert "no model found" in refused(checkpoint.load, above)


def test_slots_are_left_and_said(made, tmp_path, capsys):
    bundle = TensorBundle(made[0]["tensorflow"] / "electra")
    tensors = dict(bundle.items())
    slots = {f"{name}/adam_{kind}": array for name, array in tensors.items() for kind in "mv"}
    shutil.copytree(made[0]["tensorflow"], tmp_path / "tf")
    write_bundle(tmp_path / "tf" / "electra", {**tensors, **slots, "global_step": np.int64(7)})
    assert main(["convert", str(tmp_path / "tf"), str(tmp_path / "out"), "--to", "native"]) == 0
    count = len(tensors)
    said = capsys.readouterr().out
    assert "note " not in said  # the configs tell the heads
    wanted = f"left    {count} optimizer slots adam_m, {count} optimizer slots adam_v, global_step"
    assert wanted in said
    assert f"check   {len(made[1].discriminator) + len(made[1].generator)} tensors" in said
    assert_same(made[1], checkpoint.load(tmp_path / "out"))


def test_paddlenlps_epsilon_is_stated(made, tmp_path):
    done = checkpoint.convert(made[0]["native"], tmp_path / "out", to="paddlenlp")
    assert any("LayerNorm epsilon 1e-5" in line for line in done.lines)
    done = checkpoint.convert(made[0]["native"], tmp_path / "other", to="huggingface")
    assert not any("LayerNorm epsilon" in line for line in done.lines)


def test_check_runs_both_networks(made, tmp_path):
    done = checkpoint.convert(made[0]["native"], tmp_path / "out", to="tensorflow", check=True)
    (line,) = [line for line in done.lines if line.startswith("forward ours, as read and")]
    for output in ("replaced-token logits", "hidden states", "masked-token logits"):
        assert f"{output} 0.0e+00" in line


def test_what_comes_back_changed_is_not_kept(made, tmp_path, monkeypatch):
    def careless(folder, model):
        native.write_checkpoint(folder, model)
        path = folder / native.GENERATOR
        tensors = dict(safetensors_file.SafetensorsFile(path).items())
        tensors["head.bias"] = tensors["head.bias"] + np.float32(1e-30)
        tensors["head.bias"][0] = -0.0 if tensors["head.bias"][0] == 0 else 1
        safetensors_file.write(path, tensors)

    monkeypatch.setitem(conversion._WRITERS, "native", careless)
    answer = refused(checkpoint.convert, made[0]["tensorflow"], tmp_path / "out", to="native")
    assert "tensor 'head.bias' of the generator came back changed" in answer
    assert list(tmp_path.iterdir()) == []


def test_where_the_result_may_go(made, tmp_path):
    source = made[0]["native"]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    assert "full: exists already; name a new folder" in refused(
        checkpoint.convert, source, tmp_path / "full", to="native"
    )
    (tmp_path / "file").write_text("x")
    assert "file: exists already" in refused(
        checkpoint.convert, source, tmp_path / "file", to="native"
    )
    (tmp_path / "empty").mkdir()
    checkpoint.convert(source, tmp_path / "empty", to="native")
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"
    assert "to: 'keras' is not one of native" in refused(
        checkpoint.convert, source, tmp_path / "x", to="keras"
    )


def test_a_finetuned_model_stays_ours(tmp_path):
    tuned = make_checkpoint(tmp_path / "tuned", labels=["差", "好"])
    assert "fine-tuned; huggingface has no place for the head" in refused(
        checkpoint.convert, tuned, tmp_path / "x", to="huggingface"
    )
    checkpoint.convert(tuned, tmp_path / "copy", to="native")
    assert checkpoint.load(tmp_path / "copy").task["labels"] == ["差", "好"]


@pytest.mark.parametrize(
    "variable", ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE"]
)
def test_names_in_the_cache(made, tmp_path, monkeypatch, variable):
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(variable, str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)
    name = "hfl/chinese-electra-small"
    answer = refused(checkpoint.load, f"{name}-discriminator")
    assert "nothing is downloaded" in answer
    assert f"huggingface-cli download {name}-discriminator" in answer
    assert str(tmp_path / "hub") in answer
    assert f"huggingface-cli download {name}-discriminator" in refused(checkpoint.load, name)
    for half in ("discriminator", "generator"):
        model = tmp_path / "hub" / f"models--hfl--chinese-electra-small-{half}"
        (model / "refs").mkdir(parents=True)
        (model / "refs" / "main").write_text("abc123")
        shutil.copytree(made[0]["huggingface"] / half, model / "snapshots" / "abc123")
        (model / "snapshots" / "older").mkdir()
        loaded = checkpoint.load(f"{name}-{half}")
        assert getattr(loaded, half) is not None
    assert_same(made[1], checkpoint.load(name))
    # A path with a slip in it is no name.
    (tmp_path / "runs").mkdir()
    assert "runs/electra: no such folder or checkpoint" in refused(checkpoint.load, "runs/electra")


@pytest.mark.parametrize("half", ["discriminator", "generator"])
def test_hugging_faces_script(made, tmp_path, half):
    folder, target = made[0]["tensorflow"], tmp_path / "new" / "model.bin"
    flags = ["--tf_checkpoint_path", folder, "--config_file", folder / f"{half}.json"]
    flags += ["--pytorch_dump_path", target, "--discriminator_or_generator", half]
    script = [sys.executable, str(ROOT / "tools" / "convert_checkpoint.py"), *map(str, flags)]
    done = subprocess.run(script, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"loaded  {half}: " in done.stdout
    written = torch_file.TorchFile(target)
    wanted = safetensors_file.SafetensorsFile(made[0]["huggingface"] / half / "model.safetensors")
    assert set(written) == set(wanted)
    for name in wanted:
        np.testing.assert_array_equal(written[name], wanted[name])


def test_hugging_faces_script_and_a_config_elsewhere(made, tmp_path, capsys):
    folder = tmp_path / "tf"
    shutil.copytree(made[0]["tensorflow"], folder)
    stated = json.loads((folder / "discriminator.json").read_text())
    for file in folder.glob("*.json"):
        file.unlink()
    config = tmp_path / "other.json"

    def run(**values):
        config.write_text(json.dumps({**stated, **values}))
        flags = ["--tf_checkpoint_path", str(folder), "--config_file", str(config)]
        flags += ["--pytorch_dump_path", str(tmp_path / "out.bin")]
        return main(["convert-to-torch", *flags, "--discriminator_or_generator", "discriminator"])

    assert run(hidden_size=99) == 2
    error = capsys.readouterr().err
    assert re.search(r"other\.json: hidden_size is 99, but the tensors say 12$", error.strip())
    assert not (tmp_path / "out.bin").exists()
    assert run() == 0


def test_the_tool_takes_the_commands_words(made, tmp_path):
    script = [sys.executable, str(ROOT / "tools" / "convert_checkpoint.py")]
    arguments = [str(made[0]["native"]), str(tmp_path / "out"), "--to", "tensorflow"]
    done = subprocess.run([*script, *arguments], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert_same(made[1], checkpoint.load(tmp_path / "out"))


def test_tensorflows_layout(made):
    folder = made[0]["tensorflow"]
    assert {path.name for path in folder.iterdir()} == {
        "checkpoint",
        "discriminator.json",
        "generator.json",
        "vocab.txt",
        "electra.index",
        "electra.data-00000-of-00001",
    }
    assert 'model_checkpoint_path: "electra"' in (folder / "checkpoint").read_text()
    assert checkpoint.load(folder / "electra.data-00000-of-00001").source == str(folder / "electra")
    assert original.load(folder / "electra").config == made[1].config

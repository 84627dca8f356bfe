"""Hugging Face's and PaddleNLP's folders: what is read, what is written, what is refused."""

import json
import shutil

import numpy as np
import pytest
from models import CONFIG, assert_same, random_checkpoint, random_tensors
from reading import load_whole

from paddle_electra import checkpoint
from paddle_electra.checkpoint import folders, pdparams, safetensors_file, torch_file
from paddle_electra.errors import InputError

FORMATS = ("huggingface", "paddlenlp")
WORDS = "electra.embeddings.word_embeddings.weight"


@pytest.fixture
def model(tmp_path):
    return random_checkpoint(tmp_path)


def write(folder, model, column="huggingface"):
    folder.mkdir()
    folders.write(folder, model, column)
    return folder


def change(path, **values):
    """Set keys of a JSON file; None takes a key out."""
    content = {**json.loads(path.read_text("utf-8")), **values}
    content = {key: value for key, value in content.items() if value is not None}
    path.write_text(json.dumps(content), "utf-8")


def tensors_in(folder):
    return dict(safetensors_file.SafetensorsFile(folder / folders.SAFETENSORS).items())


def rewrite(folder, tensors):
    safetensors_file.write(folder / folders.SAFETENSORS, tensors, checksums=False)


def refused(path):
    with pytest.raises(InputError) as caught:
        load_whole(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("column", FORMATS)
@pytest.mark.parametrize("tied", [True, False])
def test_a_pair_comes_back(tmp_path, column, tied):
    model = random_checkpoint(tmp_path, tied_embeddings=tied, do_lower_case=False)
    loaded = checkpoint.load(write(tmp_path / "out", model, column))
    assert_same(model, loaded)
    assert (loaded.format, loaded.left) == (column, ())


@pytest.mark.parametrize("column", FORMATS)
def test_one_half_alone(tmp_path, model, column):
    folder = write(tmp_path / "out", model, column)
    alone = checkpoint.load(folder / "discriminator")
    assert alone.generator is None
    np.testing.assert_array_equal(alone.discriminator[WORDS], model.discriminator[WORDS])
    other = checkpoint.load(folder / "generator")
    assert other.discriminator is None
    assert not other.config.tied_embeddings
    np.testing.assert_array_equal(other.generator[WORDS], model.discriminator[WORDS])
    np.testing.assert_array_equal(other.generator["head.bias"], model.generator["head.bias"])
    assert other.config.generator_num_attention_heads == 2
    with pytest.raises(InputError, match="this is a generator alone; give the discriminator"):
        other.need_discriminator()


def test_a_pair_under_other_names_and_with_its_vocabulary_above(tmp_path, model):
    folder = write(tmp_path / "out", model)
    for half in ("discriminator", "generator"):
        (folder / half / "vocab.txt").unlink()
        (folder / half).rename(folder / f"chinese-electra-180g-{half}")
    shutil.copy(model.vocab_file, folder)
    assert_same(model, checkpoint.load(folder))
    (folder / "second-generator").mkdir()
    shutil.copy(
        folder / "chinese-electra-180g-generator" / "model.safetensors", folder / "second-generator"
    )
    assert "two generators, chinese-electra-180g-generator and second-generator" in refused(folder)


def test_a_weight_file_of_another_name(tmp_path, model):
    folder = write(tmp_path / "out", model) / "discriminator"
    tensors = tensors_in(folder)
    (folder / folders.SAFETENSORS).unlink()
    torch_file.write(folder / "electra.bin", tensors)
    (folder / "training_args.bin").write_bytes(b"something else")
    assert_same(checkpoint.load(folder), checkpoint.load(folder / "electra.bin"))
    torch_file.write(folder / "second.bin", tensors)
    assert "several weight files (electra.bin, second.bin)" in refused(folder)


@pytest.mark.parametrize(
    ("kind", "writer", "called"),
    [
        ("safetensors", safetensors_file.write, folders.SAFETENSORS),
        ("bin", torch_file.write, folders.TORCH),
        ("pdparams", pdparams.write, folders.PDPARAMS),
    ],
)
def test_shards(tmp_path, model, kind, writer, called):
    folder = write(tmp_path / "out", model) / "discriminator"
    tensors = tensors_in(folder)
    whole = load_whole(folder)
    (folder / folders.SAFETENSORS).unlink()
    ordered = sorted(tensors)
    parts = [ordered[:10], ordered[10:25], ordered[25:]]
    where = {}
    for number, part in enumerate(parts, 1):
        name = f"model-{number:05d}-of-00003.{kind}"
        writer(folder / name, {key: tensors[key] for key in part})
        where.update(dict.fromkeys(part, name))
    index = folder / f"{called}.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": where}))
    assert_same(whole, checkpoint.load(folder))

    def with_map(**values):
        content = {"weight_map": {**where, **values}}
        index.write_text(json.dumps(content))
        return refused(folder)

    other = next(file for file in where.values() if file != where[WORDS])
    assert f"tensor {WORDS!r} is not in {other}" in with_map(**{WORDS: other})
    assert "'../other', which is not a file beside it" in with_map(**{WORDS: "../other"})
    assert "this shard, named in" in with_map(**{WORDS: "none.safetensors"})
    index.write_text(json.dumps({"weight_map": [1]}))
    assert "weight_map: expected an object" in refused(folder)


@pytest.mark.parametrize("legacy", [True, False])
def test_old_names_of_layer_norms_and_buffers(tmp_path, model, legacy):
    folder = write(tmp_path / "out", model) / "discriminator"
    whole, tensors = load_whole(folder), tensors_in(folder)
    if legacy:
        ending = {"weight": "gamma", "bias": "beta"}
        tensors = {
            name.rpartition(".")[0] + "." + ending[name.rpartition(".")[2]]
            if "LayerNorm" in name
            else name: array
            for name, array in tensors.items()
        }
    tensors["electra.embeddings.position_ids"] = np.arange(16)[None]
    rewrite(folder, tensors)
    loaded = checkpoint.load(folder)
    assert_same(whole, loaded)
    assert loaded.left == ("electra.embeddings.position_ids",)


def test_a_bare_encoder(tmp_path, model):
    folder = write(tmp_path / "out", model) / "discriminator"
    whole, tensors = checkpoint.load(folder), tensors_in(folder)
    bare = {n.removeprefix("electra."): a for n, a in tensors.items() if n.startswith("electra.")}
    rewrite(folder, bare)
    loaded = checkpoint.load(folder)
    assert set(loaded.discriminator) == {n for n in whole.discriminator if n.startswith("electra.")}
    np.testing.assert_array_equal(loaded.discriminator[WORDS], tensors[WORDS])


def test_a_head_of_another_task_is_left(tmp_path, model):
    folder = write(tmp_path / "out", model) / "discriminator"
    tensors = {n: a for n, a in tensors_in(folder).items() if n.startswith("electra.")}
    rewrite(folder, {**tensors, "classifier.out_proj.weight": np.zeros((2, 12), "f4")})
    loaded = checkpoint.load(folder)
    assert loaded.left == ("classifier.out_proj.weight",)
    assert not any(name.startswith("head.") for name in loaded.discriminator)


def test_output_weights_must_be_the_word_embeddings(tmp_path, model):
    folder = write(tmp_path / "out", model) / "generator"
    tensors = tensors_in(folder)
    whole = load_whole(folder)
    rewrite(folder, {**tensors, "generator_lm_head.weight": tensors[WORDS]})
    loaded = checkpoint.load(folder)
    assert_same(whole, loaded)
    assert loaded.left == ()
    rewrite(folder, {**tensors, "generator_lm_head.weight": tensors[WORDS] + 1})
    assert f"'generator_lm_head.weight' differs from {WORDS!r}" in refused(folder)


def test_paddlenlps_old_config_and_safetensors(tmp_path, model):
    folder = write(tmp_path / "out", model, "paddlenlp") / "discriminator"
    whole = load_whole(folder)
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").unlink()
    old = {
        "init_args": [{**values, "init_class": "ElectraModel"}],
        "init_class": "ElectraDiscriminator",
    }
    (folder / "model_config.json").write_text(json.dumps(old))
    assert_same(whole, checkpoint.load(folder))
    old["init_args"][0]["vocab_size"] = 99
    (folder / "model_config.json").write_text(json.dumps(old))
    assert "model_config.json: vocab_size is 99, but the tensors say 13" in refused(folder)
    (folder / "model_config.json").unlink()
    tensors = dict(pdparams.PdparamsFile(folder / folders.PDPARAMS).items())
    (folder / folders.PDPARAMS).unlink()
    safetensors_file.write(folder / folders.SAFETENSORS, tensors, {"format": "np"}, checksums=False)
    loaded = checkpoint.load(folder)
    assert loaded.format == "paddlenlp"
    np.testing.assert_array_equal(loaded.discriminator[WORDS], whole.discriminator[WORDS])


def test_half_precision(tmp_path, model):
    folder = write(tmp_path / "out", model) / "discriminator"
    tensors = {name: array.astype("f2") for name, array in tensors_in(folder).items()}
    rewrite(folder, tensors)
    loaded = checkpoint.load(folder)
    assert loaded.discriminator[WORDS].dtype == "float16"
    np.testing.assert_array_equal(loaded.discriminator[WORDS], tensors[WORDS])


@pytest.mark.parametrize("column", FORMATS)
def test_berts_encoder_comes_back(tmp_path, column):
    model = random_checkpoint(tmp_path, generator=False, pooler=True, embedding_size=12)
    folder = write(tmp_path / "out", model, column)
    loaded = checkpoint.load(folder)
    for name, array in model.discriminator.items():
        np.testing.assert_array_equal(loaded.discriminator[name], array)
    assert loaded.config.pooler
    assert loaded.config.num_attention_heads == 3
    config = json.loads((folder / "config.json").read_text())
    assert (config["model_type"], config["architectures"]) == ("bert", ["BertModel"])


def test_a_bert_without_its_pooler_is_told(tmp_path):
    model = random_checkpoint(tmp_path, generator=False, pooler=True, embedding_size=12)
    folder = write(tmp_path / "out", model)
    assert checkpoint.load(folder).notes == []
    rewrite(folder, {n: a for n, a in tensors_in(folder).items() if "pooler" not in n})
    (note,) = checkpoint.load(folder).notes
    assert note.startswith("a BERT without its pooler: taken for an encoder as ELECTRA's")


def test_berts_encoder_under_paddlenlps_name_for_roberta(tmp_path):
    model = random_checkpoint(tmp_path, generator=False, pooler=True, embedding_size=12)
    folder = write(tmp_path / "out", model, "paddlenlp")
    tensors = dict(pdparams.PdparamsFile(folder / folders.PDPARAMS).items())
    renamed = {name.replace("bert.", "roberta.", 1): array for name, array in tensors.items()}
    pdparams.write(folder / folders.PDPARAMS, renamed)
    change(folder / "config.json", model_type=None)
    loaded = checkpoint.load(folder)
    assert loaded.config.pooler
    for name, array in model.discriminator.items():
        np.testing.assert_array_equal(loaded.discriminator[name], array)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hidden_size": 16}, "hidden_size is 16, but the tensors say 12"),
        ({"num_hidden_layers": 3}, "num_hidden_layers is 3, but the tensors say 2"),
        ({"embedding_size": 12}, "embedding_size is 12, but the tensors say 8"),
        ({"num_attention_heads": 5}, "divides the hidden size 12"),
        ({"num_attention_heads": True}, "num_attention_heads: expected a whole number, got True"),
        ({"hidden_act": "gelu_new"}, "hidden_act is 'gelu_new', expected gelu or gelu_python"),
        ({"layer_norm_eps": "1e-12"}, "layer_norm_eps: expected a number from 0 to 1"),
        ({"position_embedding_type": "relative_key"}, "expected absolute"),
        ({"model_type": "roberta"}, "HFL's RoBERTa models are BERT models"),
        ({"model_type": "albert"}, "model_type is 'albert', expected electra or bert"),
    ],
)
def test_a_config_that_says_something_else_is_named(tmp_path, model, values, message):
    folder = write(tmp_path / "out", model) / "discriminator"
    change(folder / "config.json", **values)
    answer = refused(folder)
    assert answer.startswith(str(folder / "config.json"))
    assert message in answer


def test_without_a_config_heads_are_a_guess_and_the_rest_is_not(tmp_path, model):
    folder = write(tmp_path / "out", model) / "discriminator"
    stated = checkpoint.load(folder).config.to_dict()
    (folder / "config.json").unlink()
    loaded = checkpoint.load(folder)
    (note,) = loaded.notes
    assert note.startswith("no config says how many heads the discriminator has")
    guessed = loaded.config.to_dict()
    differ = {key for key in stated if stated[key] != guessed[key]}
    assert differ <= {"num_attention_heads", "generator_num_attention_heads"}


@pytest.mark.parametrize("column", FORMATS)
def test_a_missing_tensor_is_named(tmp_path, model, column):
    folder = write(tmp_path / "out", model, column) / "generator"
    file = folders.find_weights(folder)
    tensors = dict(folders._open(file).items())
    writer = pdparams.write if column == "paddlenlp" else safetensors_file.write
    for name in tensors:
        writer(file, {key: array for key, array in tensors.items() if key != name})
        answer = refused(folder)
        assert str(file) in answer
        if name != WORDS:  # without it nothing says which prefix the names have
            assert name in answer


def test_other_models_and_broken_pairs(tmp_path, model):
    folder = write(tmp_path / "out", model)
    rewrite(folder / "generator", {"encoder.block.0.weight": np.zeros((2, 2), "f4")})
    assert "no embeddings of an ELECTRA or BERT model in it" in refused(folder / "generator")
    for name in (folders.SAFETENSORS, "config.json"):
        shutil.copy(folder / "discriminator" / name, folder / "generator")
    assert "called generator, but it holds a discriminator" in refused(folder)
    shutil.rmtree(folder / "generator")
    other = write(tmp_path / "other", model, "paddlenlp")
    shutil.copytree(other / "generator", folder / "generator")
    assert "one half is Hugging Face's, the other PaddleNLP's" in refused(folder)


def test_an_integer_tensor_is_no_weight(tmp_path, model):
    folder = write(tmp_path / "out", model) / "discriminator"
    tensors = tensors_in(folder)
    rewrite(folder, {**tensors, WORDS: tensors[WORDS].astype("i4")})
    assert f"tensor {WORDS!r} is of type int32, expected floating point" in refused(folder)


def test_a_projection_that_has_no_place(tmp_path):
    model = random_checkpoint(tmp_path, generator=False, embedding_size=12)
    folder = write(tmp_path / "out", model)
    extra = {"electra.embeddings_project.weight": np.zeros((12, 12), "f4")}
    rewrite(folder, {**tensors_in(folder), **extra})
    assert "'electra.embeddings_project.weight' has no place" in refused(folder)


def test_a_checksum_of_ours_finds_one_changed_bit(tmp_path):
    tensors = random_tensors("discriminator", CONFIG, 3)
    path = tmp_path / "ours.safetensors"
    safetensors_file.write(path, tensors)
    data = bytearray(path.read_bytes())
    data[-2] ^= 4
    path.write_bytes(data)
    file = safetensors_file.SafetensorsFile(path)
    *good, last = file
    for name in good:
        np.testing.assert_array_equal(file[name], tensors[name])
    with pytest.raises(InputError, match=f"{last}' has a wrong checksum"):
        file.read(last)

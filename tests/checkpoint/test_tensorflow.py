"""The reader of TensorFlow checkpoints, on bundles that the tests write themselves."""

import json
import random

import numpy as np
import pytest
from bundle_writer import write_bundle
from reading import load_whole

from paddle_electra import checkpoint
from paddle_electra.checkpoint import native
from paddle_electra.checkpoint.tensorflow import TensorBundle, find_prefix
from paddle_electra.errors import InputError
from paddle_electra.modeling.electra import ElectraForPreTraining

VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "天", "地"]
SIZES = {"hidden": 12, "embedding": 8, "layers": 2, "generator": 6, "positions": 16}
INDEX, DATA = "electra.index", "electra.data-00000-of-00001"


def dense(name, *shape):
    return {f"{name}/kernel": shape, f"{name}/bias": shape[1:]}


def norm(name, width):
    return {f"{name}/gamma": (width,), f"{name}/beta": (width,)}


def encoder(scope, hidden, embedding, layers):
    """{name: shape} of one encoder of the original."""
    found = {}
    if hidden != embedding:
        found |= dense(f"{scope}/embeddings_project", embedding, hidden)
    for number in range(layers):
        layer = f"{scope}/encoder/layer_{number}"
        for part in ("query", "key", "value"):
            found |= dense(f"{layer}/attention/self/{part}", hidden, hidden)
        found |= dense(f"{layer}/attention/output/dense", hidden, hidden)
        found |= norm(f"{layer}/attention/output/LayerNorm", hidden)
        found |= dense(f"{layer}/intermediate/dense", hidden, 4 * hidden)
        found |= dense(f"{layer}/output/dense", 4 * hidden, hidden)
        found |= norm(f"{layer}/output/LayerNorm", hidden)
    return found


def variables(hidden, embedding, layers, generator, positions):
    """{name: shape} of a pretraining checkpoint; ``generator`` None leaves its half out."""
    found = {
        "electra/embeddings/word_embeddings": (len(VOCAB), embedding),
        "electra/embeddings/position_embeddings": (positions, embedding),
        "electra/embeddings/token_type_embeddings": (2, embedding),
        **norm("electra/embeddings/LayerNorm", embedding),
        **encoder("electra", hidden, embedding, layers),
        **dense("discriminator_predictions/dense", hidden, hidden),
        **dense("discriminator_predictions/dense_1", hidden, 1),
    }
    if generator is not None:
        found |= encoder("generator", generator, embedding, layers)
        found |= dense("generator_predictions/dense", generator, embedding)
        found |= norm("generator_predictions/LayerNorm", embedding)
        found["generator_predictions/output_bias"] = (len(VOCAB),)
    return found


def make_tensors(**changes):
    """Random weights, with the optimizer's slots and the step as the original saves them."""
    source = np.random.default_rng(5)
    tensors = {}
    for name, shape in variables(**{**SIZES, **changes}).items():
        tensors[name] = source.normal(size=shape).astype("float32")
        for slot in ("adam_m", "adam_v"):
            tensors[f"{name}/{slot}"] = np.full(shape, np.nan, "float32")
    return {**tensors, "global_step": np.array(40, "int64")}


def write(folder, tensors, configs=True, **named):
    write_bundle(folder / "electra", tensors, **named)
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in VOCAB), "utf-8")
    if configs:
        for half, hidden, heads in (("discriminator", 12, 3), ("generator", 6, 2)):
            stated = {"hidden_size": hidden, "num_attention_heads": heads, "hidden_act": "gelu"}
            (folder / f"{half}.json").write_text(json.dumps(stated), "utf-8")
    return folder


@pytest.fixture(scope="module")
def tensors():
    return make_tensors()


@pytest.fixture
def folder(tmp_path, tensors):
    return write(tmp_path / "tf", tensors)


def refused(path):
    with pytest.raises(InputError) as caught:
        load_whole(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("shards", [1, 3])
def test_every_variable_arrives_and_fits_the_model(tmp_path, tensors, shards):
    loaded = checkpoint.load(write(tmp_path, tensors, shards=shards))
    self_attention = "electra/encoder/layer_1/attention/self"
    for kind, name in (("kernel", "weight"), ("bias", "bias")):
        parts = [tensors[f"{self_attention}/{part}/{kind}"] for part in ("query", "key", "value")]
        fused = loaded.discriminator[f"electra.layers.1.attention.qkv.{name}"]
        np.testing.assert_array_equal(fused, np.concatenate(parts, axis=-1))
    for ours, theirs in (
        ("electra.embeddings.position_embeddings.weight", "electra/embeddings/position_embeddings"),
        ("electra.layers.0.attention_norm.bias", "electra/encoder/layer_0/attention/output"
         "/LayerNorm/beta"),
        ("head.logit.weight", "discriminator_predictions/dense_1/kernel"),
    ):  # fmt: skip
        np.testing.assert_array_equal(loaded.discriminator[ours], tensors[theirs])
    for ours, theirs in (
        ("electra.embeddings_project.weight", "generator/embeddings_project/kernel"),
        ("head.bias", "generator_predictions/output_bias"),
    ):
        np.testing.assert_array_equal(loaded.generator[ours], tensors[theirs])
    model = ElectraForPreTraining(loaded.config)
    native.load_pretraining(model, loaded)  # refuses anything missing, unexpected or misshapen
    wanted = sum(value.size for name, value in tensors.items() if "adam" not in name) - 1
    names = {id(p): p.size for p in model.parameters()}
    assert sum(names.values()) == wanted


def test_slots_and_step_stay_behind(folder):
    loaded = checkpoint.load(folder)
    for half in (loaded.discriminator, loaded.generator):
        assert all(np.isfinite(array).all() for array in half.values())
        assert not any("adam" in name or "step" in name for name in half)


def test_sizes_come_from_the_tensors_and_heads_from_the_configs(folder):
    config = checkpoint.load(folder).config
    assert (config.vocab_size, config.embedding_size) == (len(VOCAB), 8)
    assert (config.max_position_embeddings, config.type_vocab_size) == (16, 2)
    assert (config.hidden_size, config.num_hidden_layers, config.intermediate_size) == (12, 2, 48)
    assert (config.num_attention_heads, config.generator_num_attention_heads) == (3, 2)
    assert (config.generator_hidden_size, config.generator_intermediate_size) == (6, 24)
    assert config.tied_embeddings


def test_heads_without_configs_are_those_of_the_named_sizes(tmp_path):
    sizes = {"hidden": 256, "embedding": 128, "layers": 1, "generator": 64}
    config = checkpoint.load(write(tmp_path, make_tensors(**sizes), configs=False)).config
    assert (config.num_attention_heads, config.generator_num_attention_heads) == (4, 1)


def test_no_projection_where_widths_are_equal(tmp_path):
    loaded = checkpoint.load(write(tmp_path, make_tensors(embedding=12)))
    assert "electra.embeddings_project.weight" not in loaded.discriminator
    assert "electra.embeddings_project.weight" in loaded.generator


def test_a_checkpoint_without_generator(tmp_path):
    loaded = checkpoint.load(write(tmp_path, make_tensors(generator=None)))
    assert loaded.generator is None
    native.load_pretraining(ElectraForPreTraining(loaded.config), loaded)


def test_half_precision_is_read(tmp_path, tensors):
    halves = {
        name: array.astype("float16") if array.dtype == "float32" else array
        for name, array in tensors.items()
    }
    loaded = checkpoint.load(write(tmp_path, halves))
    native.load_pretraining(ElectraForPreTraining(loaded.config), loaded)


def test_where_a_checkpoint_may_be_named(folder, tmp_path, tensors):
    for path in (folder, folder / "electra", folder / INDEX):
        assert checkpoint.load(path).source == str(folder / "electra")
    write_bundle(folder / "other", tensors)
    assert "several TensorFlow checkpoints (electra, other)" in refused(folder)
    (folder / "checkpoint").write_text('model_checkpoint_path: "/training/machine/other"\n')
    assert find_prefix(folder) == folder / "other"
    assert find_prefix(folder / "electra") == folder / "electra"
    (tmp_path / "empty").mkdir()
    assert find_prefix(tmp_path / "empty") is None
    assert "no model found" in refused(tmp_path / "empty")
    assert "nowhere: no such folder or checkpoint" in refused(tmp_path / "nowhere")


def test_a_prefix_with_an_ending_that_it_has_not(folder, tmp_path):
    (folder / "ours").mkdir()
    (folder / "ours" / native.DISCRIMINATOR).touch()
    assert refused(folder / "electra.ckpt") == (
        f"{folder}/electra.ckpt: no such folder or checkpoint; there are models in {folder}, "
        f"name one: electra, ours"
    )
    assert refused(tmp_path / "nowhere" / "electra.ckpt").endswith("no such folder or checkpoint")


@pytest.mark.parametrize("name", sorted(variables(**SIZES)))
def test_a_missing_tensor_is_named(tmp_path, tensors, name):
    kept = {key: array for key, array in tensors.items() if key != name}
    answer = refused(write(tmp_path, kept))
    assert f"{INDEX}: tensor {name!r} is missing" in answer


def test_tensors_of_another_kind_of_model(tmp_path):
    write(tmp_path, {"albert/embeddings/word_embeddings": np.zeros((7, 8), "float32")})
    message = "tensor 'electra/embeddings/word_embeddings' is missing, so this is not a whole"
    assert message in refused(tmp_path)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("electra/embeddings/word_embeddings", (56,)),
        ("electra/embeddings/position_embeddings", ()),
        ("electra/encoder/layer_0/intermediate/dense/kernel", (2, 3, 4)),
    ],
)
def test_a_table_that_is_no_matrix(tmp_path, tensors, name, shape):
    changed = {**tensors, name: np.zeros(shape, "float32")}
    message = f"tensor {name!r} has shape {list(shape)}, expected a matrix"
    assert message in refused(write(tmp_path, changed))


def test_a_missing_vocabulary_is_named(folder):
    (folder / "vocab.txt").unlink()
    assert "vocab.txt is missing" in refused(folder)


@pytest.mark.parametrize(
    ("half", "changes", "message"),
    [
        ("discriminator", {"hidden_size": 16}, "hidden_size is 16, but the tensors say 12"),
        ("discriminator", {"vocab_size": 21128}, "vocab_size is 21128, but the tensors say 7"),
        ("discriminator", {"num_hidden_layers": 3}, "num_hidden_layers is 3, but the tensors say"),
        ("discriminator", {"num_attention_heads": 5}, "divides the hidden size 12"),
        ("discriminator", {"num_attention_heads": 0}, "expected a whole number, got 0"),
        ("discriminator", {"num_attention_heads": "3"}, "expected a whole number, got '3'"),
        ("generator", {"intermediate_size": 48}, "intermediate_size is 48, but the tensors say 24"),
        ("generator", {"embedding_size": 6}, "embedding_size is 6, but the tensors say 8"),
    ],
)
def test_a_config_that_disagrees_is_named(folder, half, changes, message):
    path = folder / f"{half}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    answer = refused(folder)
    assert answer.startswith(str(path))
    assert message in answer


def test_a_config_that_is_no_object(folder):
    (folder / "generator.json").write_text("[]")
    assert "generator.json: expected a JSON object" in refused(folder)
    (folder / "generator.json").write_text("{")
    assert "generator.json: line 1, column 2: not JSON" in refused(folder)


def test_data_cut_short_is_named(folder):
    path, whole = folder / DATA, (folder / DATA).read_bytes()
    name = "generator_predictions/output_bias"
    last = TensorBundle(folder / "electra").entries[name]
    path.write_bytes(whole[: last.offset + last.size])  # only slots, which nobody reads, are cut
    checkpoint.load(folder)
    path.write_bytes(whole[: last.offset + last.size - 1])
    assert f"{DATA}: tensor {name!r} is cut short" in refused(folder)
    path.unlink()
    assert f"{DATA}: cannot be read (No such file or directory)" in refused(folder)


@pytest.mark.parametrize("name", ["electra/embeddings/word_embeddings", "head"])
def test_a_flipped_bit_of_data_is_named(folder, name):
    name = "discriminator_predictions/dense_1/bias" if name == "head" else name
    place = TensorBundle(folder / "electra").entries[name].offset + 2
    data = bytearray((folder / DATA).read_bytes())
    data[place] ^= 1
    (folder / DATA).write_bytes(data)
    assert f"tensor {name!r} has a wrong checksum" in refused(folder)


def test_an_index_cut_anywhere_is_refused(folder):
    data = (folder / INDEX).read_bytes()
    source = random.Random(3)
    for length in (0, 1, 47, 48, len(data) - 1, *source.sample(range(len(data)), 40)):
        (folder / INDEX).write_bytes(data[:length])
        assert f"{INDEX}: not a readable TensorFlow checkpoint index" in refused(folder)


def test_a_flipped_bit_of_the_index_is_found_or_harmless(folder):
    whole = TensorBundle(folder / "electra")
    data = (folder / INDEX).read_bytes()
    source, refusals = random.Random(4), 0
    end = range(len(data) - 60, len(data))  # where it says where everything is
    for place in [*end, *source.sample(range(len(data)), 100)]:
        changed = bytearray(data)
        changed[place] ^= 1 << source.randrange(8)
        (folder / INDEX).write_bytes(changed)
        try:
            assert TensorBundle(folder / "electra").entries == whole.entries
        except InputError as error:
            assert INDEX in str(error)
            refusals += 1
    assert refusals >= 100


@pytest.mark.parametrize("content", [b"", b"\0" * 500, "天地玄黄".encode() * 40])
def test_a_file_that_is_no_index(tmp_path, content):
    (tmp_path / INDEX).write_bytes(content)
    assert f"{INDEX}: not a readable TensorFlow checkpoint index" in refused(tmp_path)


def test_an_unknown_data_type_is_refused(tmp_path, tensors):
    name = "electra/embeddings/word_embeddings"
    write(tmp_path, tensors, dtypes={name: 7})  # text
    assert f"tensor {name!r} is missing" in refused(tmp_path)

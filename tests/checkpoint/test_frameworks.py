"""Our output loaded by Hugging Face's and PaddleNLP's own libraries, and theirs loaded by us."""

import dataclasses
import json

import numpy as np
import pytest
from models import CONFIG, TOKENS, random_checkpoint
from reading import load_whole

from paddle_electra import checkpoint
from paddle_electra.checkpoint import conversion, torch_file
from paddle_electra.checkpoint.forward_check import (
    _run_paddlenlp,
    _run_transformers,
    batch_for,
    our_outputs,
)

CLOSE = {"atol": 1e-5, "rtol": 1e-5}
BERT = {"embedding_size": 12, "generator": False, "pooler": True}


def write(folder, to, **changes):
    """A random model in a format, with weights small enough for logits near one."""
    model = random_checkpoint(folder, **changes)
    shrunk = {
        half: {n: a * np.float32(0.3) + ("norm.weight" in n) for n, a in tensors.items()}
        for half in ("discriminator", "generator")
        if (tensors := getattr(model, half)) is not None
    }
    (folder / "out").mkdir()
    conversion._WRITERS[to](folder / "out", model._replace(**shrunk))
    return folder / "out"


def check_outputs(run, half, folder, whole):
    batch = batch_for(whole.config)
    theirs, _ = run(half, folder, whole.config, batch)
    ours = our_outputs(whole, batch)
    assert theirs
    for name, array in theirs.items():
        assert np.abs(array).max() > 0.01
        np.testing.assert_allclose(ours[name], array, err_msg=name, **CLOSE)


@pytest.mark.parametrize("half", ["discriminator", "generator"])
@pytest.mark.parametrize("embedding", [8, 12])
def test_paddlenlp_computes_what_we_compute(tmp_path, half, embedding):
    pytest.importorskip("paddlenlp")
    folder = write(tmp_path, "paddlenlp", embedding_size=embedding)
    check_outputs(_run_paddlenlp, half, folder / half, checkpoint.load(folder))


def test_paddlenlps_classes_load_every_key(tmp_path, caplog):
    paddlenlp = pytest.importorskip("paddlenlp.transformers")
    folder = write(tmp_path, "paddlenlp")
    for half, names in (
        ("discriminator", ("ElectraModel", "ElectraDiscriminator")),
        ("generator", ("ElectraModel", "ElectraGenerator")),
    ):
        whole = load_whole(folder / half)
        for name in names:
            model = getattr(paddlenlp, name).from_pretrained(str(folder / half))
            state = model.state_dict()
            words = next(n for n in state if n.endswith("word_embeddings.weight"))
            tensors = getattr(whole, half)
            np.testing.assert_array_equal(
                state[words].numpy(), tensors["electra.embeddings.word_embeddings.weight"]
            )
            # Every parameter comes from the file: none is left at its fresh value.
            file = checkpoint.folders.PdparamsFile(folder / half / "model_state.pdparams")
            prefix = "electra." if name == "ElectraModel" else ""
            for key, tensor in state.items():
                np.testing.assert_array_equal(tensor.numpy(), file[prefix + key], err_msg=key)


def test_paddlenlp_computes_what_we_compute_with_bert(tmp_path):
    pytest.importorskip("paddlenlp")
    folder = write(tmp_path, "paddlenlp", **BERT)
    check_outputs(_run_paddlenlp, "discriminator", folder, checkpoint.load(folder))


@pytest.mark.parametrize("half", ["discriminator", "generator"])
def test_what_paddlenlp_saved_is_read(tmp_path, half):
    paddlenlp = pytest.importorskip("paddlenlp.transformers")
    config = paddlenlp.ElectraConfig(
        vocab_size=len(TOKENS),
        embedding_size=8,
        hidden_size=12,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=20,
        max_position_embeddings=16,
        initializer_range=0.3,
    )
    name = {"discriminator": "ElectraDiscriminator", "generator": "ElectraGenerator"}[half]
    model = getattr(paddlenlp, name)(config)
    for safe in (False, True):
        folder = tmp_path / f"saved-{safe}"
        model.save_pretrained(str(folder), safe_serialization=safe)
        _write_vocab(folder)
        check_outputs(_run_paddlenlp, half, folder, checkpoint.load(folder))


def _write_vocab(folder):
    (folder / "vocab.txt").write_text("\n".join(TOKENS) + "\n", "utf-8")


@pytest.mark.bench
@pytest.mark.parametrize("half", ["discriminator", "generator"])
@pytest.mark.parametrize("embedding", [8, 12])
def test_transformers_computes_what_we_compute(tmp_path, half, embedding):
    folder = write(tmp_path, "huggingface", embedding_size=embedding)
    check_outputs(_run_transformers, half, folder / half, checkpoint.load(folder))


@pytest.mark.bench
def test_transformers_finds_no_missing_or_unexpected_key(tmp_path):
    import transformers

    folder = write(tmp_path, "huggingface")
    for half, name in (
        ("discriminator", "ElectraForPreTraining"),
        ("generator", "ElectraForMaskedLM"),
    ):
        load = getattr(transformers, name).from_pretrained
        model, info = load(folder / half, output_loading_info=True)
        assert not any(info.values()), info
        assert model.config.architectures == [name]
    model, info = transformers.AutoModel.from_pretrained(
        folder / "discriminator", output_loading_info=True
    )
    assert info["missing_keys"] == []
    assert type(model).__name__ == "ElectraModel"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "discriminator")
    assert tokenizer("天地[MASK]黄")["input_ids"] == [2, 5, 6, 4, 8, 3]
    assert tokenizer.model_max_length == CONFIG.max_position_embeddings


@pytest.mark.bench
def test_torch_loads_our_state_dict_with_weights_only(tmp_path):
    import torch

    folder = write(tmp_path, "huggingface") / "generator"
    tensors = dict(checkpoint.folders.safetensors_file.read(folder / "model.safetensors").items())
    torch_file.write(tmp_path / "model.bin", tensors)
    loaded = torch.load(tmp_path / "model.bin", weights_only=True)
    assert loaded.keys() == tensors.keys()
    for name, array in tensors.items():
        np.testing.assert_array_equal(loaded[name].numpy(), array)


def _transformers_models(half):
    """(class, config) of a model to be saved by transformers."""
    import transformers

    sizes = {
        "vocab_size": len(TOKENS),
        "embedding_size": 8,
        "hidden_size": 12,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 20,
        "max_position_embeddings": 16,
        "initializer_range": 0.3,
    }
    name = {"discriminator": "ElectraForPreTraining", "generator": "ElectraForMaskedLM"}[half]
    return getattr(transformers, name), transformers.ElectraConfig(**sizes)


@pytest.mark.bench
@pytest.mark.parametrize("half", ["discriminator", "generator"])
@pytest.mark.parametrize("layout", ["safetensors", "zip", "legacy", "shards"])
@pytest.mark.slow
def test_what_transformers_saved_is_read(tmp_path, half, layout):
    import torch

    kind, config = _transformers_models(half)
    torch.manual_seed(3)
    model = kind(config)
    if layout == "legacy":
        model.config.save_pretrained(tmp_path)
        path = tmp_path / "pytorch_model.bin"
        torch.save(model.state_dict(), path, _use_new_zipfile_serialization=False)
    else:
        size = "2KB" if layout == "shards" else "5GB"
        model.save_pretrained(tmp_path, safe_serialization=layout != "zip", max_shard_size=size)
        if layout == "shards":
            assert len([*tmp_path.glob("*.safetensors")]) > 2
    _write_vocab(tmp_path)
    check_outputs(_run_transformers, half, tmp_path, checkpoint.load(tmp_path))


@pytest.mark.bench
def test_bfloat16_of_transformers_is_widened(tmp_path):
    import torch

    kind, config = _transformers_models("discriminator")
    model = kind(config).to(torch.bfloat16)
    for safe in (True, False):
        folder = tmp_path / str(safe)
        model.save_pretrained(folder, safe_serialization=safe)
        _write_vocab(folder)
        loaded = checkpoint.load(folder)
        name = "discriminator_predictions.dense.weight"
        wanted = model.state_dict()[name].float().numpy().T
        np.testing.assert_array_equal(loaded.discriminator["head.dense.weight"], wanted)


@pytest.mark.bench
@pytest.mark.parametrize("layers", [3, 12])
@pytest.mark.parametrize("safe", [True, False])
def test_bert_of_transformers_is_our_encoder(tmp_path, layers, safe):
    import torch
    import transformers

    config = transformers.BertConfig(
        vocab_size=len(TOKENS),
        hidden_size=48,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=32,
        initializer_range=0.2,
    )
    torch.manual_seed(layers)
    kind = transformers.BertModel if safe else transformers.BertForPreTraining
    kind(config).save_pretrained(tmp_path, safe_serialization=safe)
    _write_vocab(tmp_path)
    loaded = checkpoint.load(tmp_path)
    assert loaded.config.num_hidden_layers == layers
    assert loaded.config.pooler
    check_outputs(_run_transformers, "discriminator", tmp_path, loaded)
    # And through every format, TensorFlow's names included.
    source = tmp_path
    for to in ("tensorflow", "paddlenlp", "native"):
        checkpoint.convert(source, tmp_path / to, to=to)
        source = tmp_path / to
    check_outputs(_run_transformers, "discriminator", tmp_path, checkpoint.load(source))


@pytest.mark.bench
def test_the_check_of_convert_names_both_libraries(tmp_path):
    folder = write(tmp_path, "huggingface")
    done = checkpoint.convert(folder, tmp_path / "pd", to="paddlenlp", check=True)
    lines = [line for line in done.lines if line.startswith("forward")]
    for title in ("ours and transformers's", "ours and paddlenlp's", "LayerNorm epsilon 1e-5"):
        assert any(title in line for line in lines), title
    assert any("epsilon PaddleNLP's discriminator computes with" in line for line in done.lines)


def test_eps_of_a_config_is_what_we_compute_with(tmp_path):
    folder = write(tmp_path, "huggingface", generator=False)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "layer_norm_eps": 1e-5}))
    loaded = checkpoint.load(folder)
    assert loaded.config == dataclasses.replace(loaded.config, layer_norm_eps=1e-5)

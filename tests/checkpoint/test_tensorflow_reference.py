"""The reader of TensorFlow checkpoints against checkpoints that the original code wrote."""

import json
import shutil

import numpy as np
import pytest
from reading import load_whole

from paddle_electra import checkpoint
from paddle_electra.checkpoint import names
from paddle_electra.checkpoint.tensorflow import TensorBundle, find_prefix
from paddle_electra.errors import InputError

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def folders(oracle):
    found = sorted(path.parent for path in oracle.glob("electra_*/variables.json"))
    assert found
    return found


def read_json(path):
    return json.loads(path.read_text("utf-8"))


def test_every_recorded_variable(folders):
    for folder in folders:
        bundle = TensorBundle(find_prefix(folder))
        recorded = read_json(folder / "variables.json")
        for variable in recorded:
            array = bundle.read(variable["name"])
            assert list(array.shape) == variable["shape"], variable["name"]
            assert array.dtype.name == variable["dtype"], variable["name"]
            values = array.astype("float64")
            assert values.sum() == pytest.approx(variable["sum"], rel=1e-9, abs=1e-9)
            assert np.abs(values).sum() == pytest.approx(variable["abs_sum"], rel=1e-9)
        rest = set(bundle.entries) - {variable["name"] for variable in recorded}
        assert all(name.endswith(("/adam_m", "/adam_v")) or name == "global_step" for name in rest)


def test_the_table_of_names_uses_every_weight_once(folders):
    for folder in folders:
        config = checkpoint.load(folder).config
        used = [
            name
            for half, sizes in (("discriminator", config), ("generator", config.generator))
            for row in names.model_rows(half, "tensorflow", sizes)
            if half == "discriminator" or not row.native.startswith(names.EMBEDDINGS_PREFIX)
            for name in row.names
        ]
        weights = {variable["name"] for variable in read_json(folder / "variables.json")}
        weights.discard("global_step")
        assert sorted(used) == sorted(weights)


def test_inferred_sizes_are_those_of_the_configs(folders, tmp_path):
    keys = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    shared = ("vocab_size", "embedding_size", "max_position_embeddings", "type_vocab_size")
    for folder in folders:
        config = checkpoint.load(folder).config
        for half, prefix in (("discriminator", ""), ("generator", "generator_")):
            stated = read_json(folder / f"{half}.json")
            for key in keys:
                assert getattr(config, prefix + key) == stated[key]
            for key in shared:
                assert getattr(config, key) == stated[key]
        # Without the configs only the numbers of heads are a guess.
        alone = tmp_path / folder.name
        ignored = shutil.ignore_patterns("*.json", "*.npz")
        shutil.copytree(folder, alone, ignore=ignored)
        guessed, known = checkpoint.load(alone).config.to_dict(), config.to_dict()
        differ = {key for key in known if guessed[key] != known[key]}
        assert differ <= {"num_attention_heads", "generator_num_attention_heads"}


def test_damage_is_found(folders, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(folders[0], folder, ignore=shutil.ignore_patterns("*.npz"))
    (data_file,) = folder.glob("*.data-*")
    data = data_file.read_bytes()
    entries = TensorBundle(find_prefix(folder)).entries
    weights = [name for name in entries if name.startswith("electra/") and "adam" not in name]
    end = max(entries[name].offset + entries[name].size for name in weights)
    data_file.write_bytes(data[: end - 1])
    with pytest.raises(InputError, match="is cut short"):
        load_whole(folder)
    changed = bytearray(data)
    changed[entries[weights[0]].offset] ^= 0x10
    data_file.write_bytes(changed)
    with pytest.raises(InputError, match="wrong checksum"):
        load_whole(folder)
    data_file.write_bytes(data)
    stated = read_json(folder / "generator.json")
    stated["hidden_size"] += 1
    (folder / "generator.json").write_text(json.dumps(stated))
    with pytest.raises(InputError, match=r"generator\.json: hidden_size is"):
        checkpoint.load(folder)

"""Conversions of the checkpoints that the original code wrote, to the bit and to its outputs."""

import shutil

import numpy as np
import pytest
from forward_recording import check_heads, check_layers

from paddle_electra import checkpoint
from paddle_electra.checkpoint import native
from paddle_electra.checkpoint.tensorflow import TensorBundle, find_prefix
from paddle_electra.modeling.electra import ElectraForPreTraining

pytestmark = pytest.mark.reference
HOPS = ("native", "huggingface", "native", "paddlenlp", "native", "tensorflow")


@pytest.fixture(scope="module")
def folders(oracle):
    found = sorted(path.parent for path in oracle.glob("electra_*/forward.npz"))
    assert found
    return found


def weights_of(folder):
    bundle = TensorBundle(find_prefix(folder))
    names = [n for n in bundle if not n.endswith(("/adam_m", "/adam_v")) and n != "global_step"]
    return {name: bundle[name] for name in names}


def check_forward(path, arrays):
    loaded = checkpoint.load(path)
    model = ElectraForPreTraining(loaded.config)
    native.load_pretraining(model, loaded)
    model.eval()
    check_heads(model, arrays)
    check_layers(model, arrays)


def test_the_way_round_is_the_identity_and_computes_the_same_at_every_stop(folders, tmp_path):
    for folder in folders:
        arrays, source = np.load(folder / "forward.npz"), folder
        for number, to in enumerate(HOPS):
            target = tmp_path / f"{folder.name}-{number}-{to}"
            checkpoint.convert(source, target, to=to)
            check_forward(target, arrays)
            source = target
        before, after = weights_of(folder), weights_of(source)
        assert before.keys() == after.keys()
        for name, array in before.items():
            assert array.dtype == after[name].dtype, name
            assert array.tobytes() == after[name].tobytes(), name


def test_a_zip_and_its_folder_are_the_same(folders, tmp_path):
    for folder in folders:
        for base in (folder.parent, folder):  # in a folder of its own, or not
            name = str(tmp_path / f"{folder.name}-{base.name}")
            inside = folder.name if base != folder else "."
            path = shutil.make_archive(name, "zip", base, inside)
            zipped, bare = checkpoint.load(path), checkpoint.load(folder)
            assert zipped.config == bare.config
            assert zipped.left == bare.left
            for half in ("discriminator", "generator"):
                one, other = getattr(zipped, half), getattr(bare, half)
                assert one.keys() == other.keys()
                for key in one:
                    assert one[key].tobytes() == other[key].tobytes()

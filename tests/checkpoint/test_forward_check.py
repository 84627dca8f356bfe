"""What `convert --check` compares; with stand-ins for the libraries that it compares with."""

import numpy as np
import pytest
from models import random_checkpoint

from paddle_electra import checkpoint
from paddle_electra.checkpoint import folders, forward_check


@pytest.fixture
def compare(monkeypatch):
    """compare(checkpoint) -> lines; the library gives what ours gives, and a head in any case."""

    def run(half, folder, config, batch):
        found = forward_check.our_outputs(run.checkpoint, batch)
        return {"replaced-token logits": np.zeros(3), **found}, []

    def compare(loaded):
        run.checkpoint = loaded
        batch = forward_check.batch_for(loaded.config)
        ours = forward_check.our_outputs(loaded, batch)
        return forward_check._compare(loaded, ours, batch, "transformers", ())

    monkeypatch.setattr(forward_check, "_run_transformers", run)
    return compare


def saved(tmp_path, kept=lambda name: True):
    """A folder of one half in Hugging Face's layout."""
    folder = tmp_path / "saved"
    folder.mkdir()
    folders.write(folder, random_checkpoint(tmp_path, generator=False), "huggingface")
    file = folder / folders.SAFETENSORS
    tensors = dict(folders.safetensors_file.read(file).items())
    tensors = {name: array for name, array in tensors.items() if kept(name)}
    folders.safetensors_file.write(file, tensors, {"format": "pt"}, checksums=False)
    return folder


def test_a_head_that_the_file_lacks_is_not_compared(tmp_path, compare):
    folder = saved(tmp_path, lambda name: name.startswith("electra."))
    (line,) = compare(checkpoint.load(folder))
    assert "largest difference hidden states 0.0e+00" in line and "logits" not in line


def test_a_whole_half_is_compared(tmp_path, compare):
    (line,) = compare(checkpoint.load(saved(tmp_path)))
    assert "hidden states 0.0e+00" in line and "replaced-token logits 0.0e+00" in line


def test_what_the_library_cannot_open_is_not_compared(tmp_path, compare):
    folder = saved(tmp_path)
    (folder / folders.SAFETENSORS).rename(folder / "electra.safetensors")
    (line,) = compare(checkpoint.load(folder))
    assert "not compared, " in line and "is no folder that it loads" in line

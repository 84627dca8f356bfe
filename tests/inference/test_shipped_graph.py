"""The shipped model's generator: its graph is smaller than its weights, and whole."""

import pytest

from paddle_electra.inference.predictor import Predictor


def test_the_graph_of_the_shipped_generator_answers_as_eager_mode(tmp_path, monkeypatch):
    monkeypatch.setenv("PADDLE_ELECTRA_CACHE", str(tmp_path))
    found = {}
    for engine in ("static", "eager"):
        predictor = Predictor.load("chinese-electra-tiny", engine=engine)
        ((masks,),) = predictor.fill_mask(["公民有依照[MASK]律纳税的义务。"], top_k=3)
        found[engine] = {one["token"]: one["probability"] for one in masks}
    assert found["static"] == pytest.approx(found["eager"], abs=1e-5)

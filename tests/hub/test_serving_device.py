"""Where a module's weights go when `hub serving` loads it."""

import sys

import paddle
import pytest

serving = pytest.importorskip("paddle_electra.hub.serving", reason="needs the extra 'hub'")


@pytest.mark.parametrize("under_hub_serving", [False, True])
def test_hub_serving_begins_on_the_cpu_and_training_where_paddle_is(monkeypatch, under_hub_serving):
    chosen, name = [], "paddlehub.serving.app_compat"
    monkeypatch.delitem(sys.modules, name, raising=False)
    if under_hub_serving:
        monkeypatch.setitem(sys.modules, name, object())
    monkeypatch.setattr(paddle, "set_device", chosen.append)
    serving.begin_on_cpu()
    assert chosen == ["cpu"] * under_hub_serving

"""What a module does to `hub serving` when that loads it."""

import sys
import types

import paddle
import pytest

from paddle_electra.errors import InputError
from paddle_electra.serving.settings import ServingSettings

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


def test_what_is_of_the_whole_server_is_the_same_in_all_modules(monkeypatch):
    compat = types.SimpleNamespace(create_app=lambda: None)
    monkeypatch.setitem(sys.modules, "paddlehub.serving.app_compat", compat)
    for name in ("share_one_heap", "_configure_gunicorn"):
        monkeypatch.setattr(serving, name, lambda: None)
    serving._join(ServingSettings(threads=9))
    serving._join(ServingSettings(threads=9, max_items=3))
    with pytest.raises(InputError, match="serving: host is of the whole server"):
        serving._join(ServingSettings(threads=9, host="127.0.0.1"))

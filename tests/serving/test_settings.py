import dataclasses
import re
from pathlib import Path

import pytest

from paddle_electra.errors import InputError
from paddle_electra.serving.settings import ServingSettings


def test_the_environment_then_what_is_given():
    environment = {
        "ELECTRA_SERVING_MAX_ITEMS": "7",
        "ELECTRA_SERVING_WINDOW_MS": "2.5",
        "ELECTRA_SERVING_HOST": "127.0.0.1",
        "PATH": "/bin",
        # Kubernetes, of a Service called electra-serving
        "ELECTRA_SERVING_SERVICE_HOST": "10.0.0.1",
        "ELECTRA_SERVING_SERVICE_PORT": "80",
        "ELECTRA_SERVING_SERVICE_PORT_HTTP": "80",
        "ELECTRA_SERVING_PORT": "tcp://10.0.0.1:80",
        "ELECTRA_SERVING_PORT_80_TCP_ADDR": "10.0.0.1",
        "ELECTRA_SERVING_CANARY_SERVICE_HOST": "10.0.0.2",
        "ELECTRA_SERVING_CANARY_PORT": "tcp://10.0.0.2:80",
        "ELECTRA_SERVING_CANARY_PORT_80_TCP": "tcp://10.0.0.2:80",
    }
    settings = ServingSettings.load({"max_items": 8, "wait_seconds": 3}, environment)
    assert settings == ServingSettings(
        max_items=8, window_ms=2.5, host="127.0.0.1", wait_seconds=3.0
    )
    assert ServingSettings.load(None, {}) == ServingSettings()


@pytest.mark.parametrize(
    ("given", "environment", "words"),
    [
        (None, {"QUEUE": "many"}, "ELECTRA_SERVING_QUEUE: expected a whole number, got 'many'"),
        (None, {"QUEUE": ""}, "ELECTRA_SERVING_QUEUE: expected a whole number, got ''"),
        (None, {"QUEUE": "0"}, "ELECTRA_SERVING_QUEUE: expected at least 1, got 0"),
        (None, {"WINDOW_MS": "nan"}, "ELECTRA_SERVING_WINDOW_MS: expected at least 0, got nan"),
        (None, {"WINDOW": "1"}, "ELECTRA_SERVING_WINDOW: unknown; there are ELECTRA_SERVING_HOST"),
        ({"max_item": 3}, {}, "serving: unknown 'max_item'; there are host, max_items"),
        ({"max_items": True}, {}, "serving: max_items: expected a whole number, got True"),
        ({"max_items": 2.5}, {}, "serving: max_items: expected a whole number"),
        ({"threads": 0}, {}, "serving: threads: expected at least 1, got 0"),
        ({"wait_seconds": 1e10}, {}, "serving: wait_seconds: expected at most 86400"),
        ({"host": 1}, {}, "serving: host: expected text"),
        ([3], {}, "serving: expected an object of settings"),
    ],
)
def test_a_wrong_value_is_named_at_the_start(given, environment, words):
    environment = {f"ELECTRA_SERVING_{name}": value for name, value in environment.items()}
    with pytest.raises(InputError) as error:
        ServingSettings.load(given, environment)
    assert words in str(error.value)


def test_a_wrong_value_in_python():
    with pytest.raises(InputError, match="queue: expected at least 1, got 0"):
        ServingSettings(queue=0)


def test_every_setting_says_what_it_is():
    for field in dataclasses.fields(ServingSettings):
        assert field.metadata["help"]


def test_the_document_has_every_limit_and_its_default():
    text = Path(__file__).parents[2].joinpath("docs", "SERVING.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `ELECTRA_SERVING_(\w+)` \| ([\d.,]+) \|", text, re.MULTILINE))
    known = {field.name.upper(): field.default for field in dataclasses.fields(ServingSettings)}
    assert rows.pop("HOST") == "0.0.0.0"
    assert known.pop("HOST") is None
    assert {name: float(value.replace(",", "")) for name, value in rows.items()} == known

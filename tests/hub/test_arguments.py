import pytest

from paddle_electra.errors import InputError
from paddle_electra.hub.arguments import normalize_task
from paddle_electra.serving.checks import refuse_unknown


def test_names_of_tasks():
    for task in ("seq-cls", "pair-cls", "token-cls", "text-matching", "qa", None):
        assert normalize_task(task) == task
    assert normalize_task("sequence_classification") == "seq-cls"
    for task in ("nonsense", 3, ["seq-cls"], ""):
        with pytest.raises(InputError, match=r"'seq-cls'.*'text-matching'.*None"):
            normalize_task(task)


def test_an_unknown_argument_names_the_nearest():
    with pytest.raises(InputError, match="'num_class'; did you mean 'num_classes'"):
        refuse_unknown({"num_class": 3}, ("task", "num_classes"))

import pytest

from paddle_electra.errors import InputError
from paddle_electra.hub.arguments import normalize_task, refuse_unknown


def test_names_of_tasks():
    assert normalize_task("seq-cls") == "seq-cls"
    assert normalize_task("sequence_classification") == "seq-cls"
    assert normalize_task(None) is None
    for task in ("token-cls", "nonsense", 3, ["seq-cls"]):
        with pytest.raises(InputError, match=r"'seq-cls'.*None"):
            normalize_task(task)


def test_an_unknown_argument_names_the_nearest():
    with pytest.raises(InputError, match="'num_class'; did you mean 'num_classes'"):
        refuse_unknown({"num_class": 3}, ("task", "num_classes"))

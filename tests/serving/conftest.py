import pytest
from served_models import make_predictor


@pytest.fixture(scope="session")
def predictors(tmp_path_factory):
    """{kind: `Predictor`}."""
    kinds = (None, "seq-cls", "pair-cls", "token-cls", "qa")
    return {kind: make_predictor(tmp_path_factory.mktemp("served"), kind) for kind in kinds}

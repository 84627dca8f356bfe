"""Which hyperparameters a run gets, and what is refused."""

import dataclasses
import re

import pytest

from paddle_electra.config import from_dict
from paddle_electra.errors import InputError
from paddle_electra.finetuning.options import RECIPES, FinetuneOptions, nearest_size, resolve
from paddle_electra.finetuning.tasks import TASKS, get_task
from paddle_electra.modeling.config import SIZES, ElectraConfig

PLACES = {"task": "chnsenticorp", "model": "m", "data": "d", "output": "o"}
TASK = get_task("chnsenticorp")


def resolved(size="small", of_task=TASK, **given):
    options = from_dict(FinetuneOptions, {**PLACES, **given})
    return resolve(options, ElectraConfig.from_size(size, 21128), [of_task])


@pytest.mark.parametrize(
    ("size", "rate", "decay"),
    [
        ("tiny", 3e-4, 0.8),
        ("small", 3e-4, 0.8),
        ("small-ex", 3e-4, 0.8),
        ("base", 1e-4, 0.8),
        ("large", 5e-5, 0.9),
    ],
)
def test_recipe_of_each_size(size, rate, decay):
    options = resolved(size)
    assert (options.learning_rate, options.layerwise_lr_decay) == (rate, decay)
    assert options.num_train_epochs == 3
    assert (options.train_batch_size, options.max_seq_length) == (32, 128)
    assert (options.warmup_proportion, options.weight_decay_rate) == (0.1, 0.01)


def test_help_says_what_differs_by_size_and_task():
    texts = {field.name: field.metadata["help"] for field in dataclasses.fields(FinetuneOptions)}
    own = [*RECIPES.values()]
    for task in TASKS.values():
        own += [task.defaults, *task.recipes.values()]
    for values in own:
        for name, value in values.items():
            if isinstance(value, float | int) and not isinstance(value, bool):
                said = re.findall(r"\d+(?:\.\d+)?(?:e-\d+)?", texts[name].partition("None: ")[2])
                assert value in map(float, said), f"{name}: {value}"


def test_given_beats_task_beats_recipe():
    task = dataclasses.replace(TASK, defaults={"num_train_epochs": 2.0, "learning_rate": 7e-5})
    options = resolved("base", task, learning_rate=2e-5)
    assert options.learning_rate == 2e-5
    assert options.num_train_epochs == 2
    assert options.train_batch_size == 32


def test_every_size_has_a_recipe_and_other_shapes_get_the_nearest():
    for size in SIZES:
        assert nearest_size(ElectraConfig.from_size(size, 100)) == size
    other = ElectraConfig.from_size("base", 100, num_hidden_layers=6)
    assert nearest_size(other) == "base"
    assert nearest_size(dataclasses.replace(other, hidden_size=48)) == "small"
    assert nearest_size(dataclasses.replace(other, hidden_size=1536)) == "large"


def test_default_length_fits_the_model():
    options = from_dict(FinetuneOptions, PLACES)
    config = ElectraConfig.from_size("small", 21128, max_position_embeddings=64)
    assert resolve(options, config, [TASK]).max_seq_length == 64


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_seq_length": 1024}, "--max-seq-length 1024: the model m has 512 positions"),
        ({"max_seq_length": 2}, "--max-seq-length 2: expected at least 3"),
        ({"train_batch_size": 0}, "--train-batch-size 0: expected at least 1"),
        ({"warmup_proportion": 1.5}, "--warmup-proportion 1.5: expected from 0 to 1"),
        ({"learning_rate": float("nan")}, "--learning-rate nan: expected from 0 to 1"),
        ({"keep": "best", "do_eval": False}, "--keep best needs the scores of the dev split"),
        ({"init": "random", "do_train": False}, "--init random needs training"),
        ({"keep": "middle"}, "'middle' is not one of last, best"),
        ({"learning_rat": 1e-4}, "did you mean 'learning_rate'"),
    ],
)
def test_refused(given, message):
    with pytest.raises(InputError, match=message):
        resolved(**given)


def test_no_layer_wise_decay():
    """0 is off, as in the original; it would otherwise freeze the encoder."""
    assert resolved(layerwise_lr_decay=0).layerwise_lr_decay == 1.0


def test_what_a_trained_model_knows_gives_way_to_what_is_said():
    trained = {"doc_stride": 40, "max_answer_length": 5, "spans": "hfl"}
    config = ElectraConfig.from_size("small", 21128)
    given = {**PLACES, "do_train": False, "doc_stride": 128}
    options = resolve(from_dict(FinetuneOptions, given), config, [TASK], trained)
    assert (options.doc_stride, options.max_answer_length, options.spans) == (128, 5, "hfl")
    training = resolve(from_dict(FinetuneOptions, PLACES), config, [TASK], trained)
    assert (training.doc_stride, training.max_answer_length) == (128, 30)


def test_what_tasks_do_not_agree_on():
    """The longest length, and of the rest what holds for any task."""
    reading = get_task("cmrc2018")
    config = ElectraConfig.from_size("small", 21128)
    options = resolve(from_dict(FinetuneOptions, PLACES), config, [TASK, reading])
    assert (options.max_seq_length, options.num_train_epochs) == (512, 3.0)
    options = resolve(from_dict(FinetuneOptions, PLACES), config, [reading, get_task("drcd")])
    assert options.num_train_epochs == 2.0


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ({"data_dir": "x"}, "--data of finetune"),
        ({"task_names": "drcd", "task": "drcd"}, "'task' is given twice"),
        ({"num_train_epochs": float("inf")}, "--num-train-epochs inf: expected at least 0"),
    ],
)
def test_keys_that_are_refused(key, message):
    with pytest.raises(InputError, match=message):
        resolved(**key)


def test_labels_may_be_numbers():
    assert resolved(labels=[0, 1]).labels == ("0", "1")


def test_questions_leave_room_for_the_text():
    """A window without room would never end."""
    reading = get_task("cmrc2018")
    assert resolved(of_task=reading).max_query_length == 64
    assert resolved(of_task=reading, max_seq_length=64).max_query_length == 32
    with pytest.raises(InputError, match=r"--max-query-length 61 leaves no room .* at most 60"):
        resolved(of_task=reading, max_seq_length=64, max_query_length=61)
    with pytest.raises(InputError, match=r"leaves no room .* give a larger --max-seq-length"):
        resolved(of_task=reading, max_seq_length=4)
    assert resolved(max_seq_length=4).max_seq_length == 4

"""Options from dicts, from --hparams and from the command line."""

import dataclasses
import json
import typing

import pytest

from paddle_electra.config import from_arguments, from_dict, option, save, to_dict
from paddle_electra.errors import InputError
from paddle_electra.hparams import parse_json
from paddle_electra.pretraining.options import PretrainOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """One field of every kind."""

    output: str = option(help="required text")
    hparams: str | None = option(None, "JSON")
    input: tuple[str, ...] = option((), "several texts")
    sizes: tuple[int, ...] = option((1, 2), "several numbers")
    batch_size: int = option(32, "whole number", least=1)
    part: int = option(0, "bounded on both sides", least=0, most=3)
    shift: int = option(0, "may be negative")
    rate: float = option(0.5, "number")
    limit: int | None = option(None, "whole number or none")
    mode: str = option("fast", "text out of a set", ("fast", "slow"))
    do_log: bool = option(True, "switch that is on")
    dry_run: bool = option(False, "switch that is off")


def parse(*arguments):
    return from_arguments(Options, ["--output", "o", *arguments], "program command")


def refused(*arguments):
    with pytest.raises(InputError) as caught:
        parse(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_defaults():
    assert parse() == Options(output="o")


def test_hyphens_and_underscores_and_equals_signs_are_alike(tmp_path):
    expected = Options(output="o", batch_size=8)
    for spelling in (["--batch-size", "8"], ["--batch_size", "8"], ["--batch-size=8"]):
        assert parse(*spelling) == expected
    for key in ("batch-size", "batch_size"):
        assert parse("--hparams", json.dumps({key: 8})).batch_size == 8
        assert from_dict(Options, {"output": "o", key: 8}) == expected


def test_hparams_as_file_and_as_text(tmp_path):
    values = {"batch_size": 8, "rate": 1, "mode": "slow", "dry_run": True, "sizes": [5]}
    file = tmp_path / "h.json"
    file.write_text(json.dumps(values), "utf-8")
    for text in (str(file), json.dumps(values), f"  {json.dumps(values)}"):
        options = parse("--hparams", text)
        assert options == Options(output="o", hparams=text, **{**values, "sizes": (5,)})
        assert type(options.rate) is float


def test_escaped_pairs_of_surrogates_are_characters(tmp_path):
    text = json.dumps({"output": "𠮷/😀", "labels": ["𠮷"], "𠮷": 1})
    assert "\\ud842\\udfb7" in text
    assert parse_json(text) == {"output": "𠮷/😀", "labels": ["𠮷"], "𠮷": 1}
    (tmp_path / "h.json").write_text('{"output": "\\ud842"}', "utf-8")
    for half in (str(tmp_path / "h.json"), '{"output": "\\ud842"}'):
        with pytest.raises(InputError, match="not JSON: half of a surrogate pair"):
            parse("--hparams", half)


def test_the_command_line_beats_hparams_wherever_it_stands():
    hparams = ["--hparams", '{"batch_size": 8, "mode": "slow", "do_log": false}']
    for arguments in (["--batch-size", "4", *hparams], [*hparams, "--batch-size", "4"]):
        options = parse(*arguments)
        assert (options.batch_size, options.mode, options.do_log) == (4, "slow", False)


def test_a_required_option_may_come_from_hparams():
    assert from_arguments(Options, ["--hparams", '{"output": "x"}'], "p c").output == "x"


def test_the_last_of_repeated_options_counts():
    assert parse("--batch-size", "4", "--batch-size", "5").batch_size == 5


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (["--dry-run"], True),
        (["--dry_run"], True),
        (["--no-dry-run"], False),
        (["--dry-run", "true"], True),
        (["--dry-run=yes"], True),
        (["--dry-run", "False"], False),
        (["--dry-run", "0"], False),
        (["--dry-run", "--no-dry-run"], False),
        (["--no-dry-run", "--dry-run", "--do-log"], True),
    ],
)
def test_switches(arguments, value):
    assert parse(*arguments).dry_run is value


def test_a_switch_that_is_on_is_turned_off():
    assert parse("--no-do-log").do_log is False
    assert parse("--no_do_log").do_log is False
    assert parse("--do-log", "false").do_log is False


def test_several_values():
    assert parse("--input", "a", "b", "--sizes", "3").input == ("a", "b")
    assert parse("--sizes", "3", "-4").sizes == (3, -4)
    assert parse("--input=a").input == ("a",)
    assert parse("--hparams", '{"input": "a", "sizes": [7, 8]}').sizes == (7, 8)


def test_numbers():
    assert parse("--shift", "-1").shift == -1
    assert parse("--shift=-1").shift == -1
    assert parse("--rate", "-2.5e-3").rate == -0.0025
    assert parse("--batch-size", "1_000").batch_size == 1000
    assert parse("--hparams", '{"batch_size": 8.0}').batch_size == 8


@pytest.mark.parametrize("text", ["none", "None"])
def test_none_is_given_in_words_or_as_null(text):
    assert parse("--limit", "5").limit == 5
    assert parse("--hparams", '{"limit": 5}', "--limit", text).limit is None
    assert parse("--hparams", '{"limit": null}').limit is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch-siz", "1"], "command: unknown hyperparameter or option 'batch-siz'; did you me"
         "an 'batch_size'?"),
        (["--size"], "command: unknown hyperparameter or option 'size'; did you mean 'sizes'?"),
        (["--qqq"], "command: unknown hyperparameter or option 'qqq'; --help lists what there is"),
        (["--batch-size"], "command: --batch-size needs a value"),
        (["--batch-size", "--dry-run"], "command: --batch-size needs a value"),
        (["--batch-size", "many"], "command: --batch-size: expected a whole number, got 'many'"),
        (["--batch-size", "1.5"], "command: --batch-size: expected a whole number, got '1.5'"),
        (["--batch-size="], "command: --batch-size: expected a whole number, got ''"),
        (["--batch-size", "0"], "command: --batch-size 0: expected at least 1"),
        (["--part", "4"], "command: --part 4: expected from 0 to 3"),
        (["--rate", "fast"], "command: --rate: expected a number, got 'fast'"),
        (["--sizes", "1", "b"], "command: --sizes: expected a whole number, got 'b'"),
        (["--mode", "fats"], "command: --mode: 'fats' is not one of fast, slow"),
        (["--dry-run", "maybe"], "command: --dry-run: expected true or false, got 'maybe'"),
        (["--no-dry-run", "true"], "command: unexpected argument 'true'; options start with --"),
        (["--no-dry-run=true"], "command: --no-dry-run: takes no value"),
        (["--no-mode"], "command: --no-mode: only switches have a --no- form"),
        (["--mode", "fast", "slow"], "command: unexpected argument 'slow'; options start with --"),
        (["-x"], "command: unexpected argument '-x'"),
        (["--output", ""], "command: --output is empty"),
        (["--batch-size", "none"], "command: --batch-size: expected a whole number, got 'none'"),
    ],
)  # fmt: skip
def test_mistakes_on_the_command_line(arguments, message):
    assert refused(*arguments).startswith(message)


def test_half_of_several_names_is_answered_with_the_options_as_typed():
    for arguments in (["--batch-size", "32"], ["--hparams", '{"batch_size": 32}']):
        with pytest.raises(InputError) as caught:
            from_arguments(PretrainOptions, ["--data", "d", *arguments], "program pretrain")
        assert "did you mean --train-batch-size or --eval-batch-size?" in str(caught.value)
    with pytest.raises(InputError, match=r"vocab 'v.txt' is not supported: .* that of the --data"):
        from_arguments(PretrainOptions, ["--vocab", "v.txt"], "program pretrain")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bach_size": 1}, "unknown hyperparameter or option 'bach_size'; did you mean 'batch_siz"),
        ({"batch_size": "many"}, "--batch-size: expected a whole number, got 'many'"),
        ({"batch_size": 1.5}, "--batch-size: expected a whole number, got 1.5"),
        ({"batch_size": True}, "--batch-size: expected a whole number, got True"),
        ({"batch_size": None}, "--batch-size: expected a whole number, got None"),
        ({"batch_size": float("inf")}, "--batch-size: expected a whole number, got inf"),
        ({"batch_size": [8]}, "--batch-size: expected a whole number, got [8]"),
        ({"batch_size": 0}, "--batch-size 0: expected at least 1"),
        ({"rate": {}}, "--rate: expected a number, got {}"),
        ({"mode": 3}, "--mode: expected text, got 3"),
        ({"mode": "fats"}, "--mode: 'fats' is not one of fast, slow"),
        ({"sizes": [1, None]}, "--sizes: expected a whole number, got None"),
        ({"do_log": 2}, "--do-log: expected true or false, got 2"),
    ],
)
def test_mistakes_in_hparams_name_their_source(values, message, tmp_path):
    text = json.dumps(values)
    assert refused("--hparams", text).startswith(f"--hparams {text}: {message}")
    file = tmp_path / "h.json"
    file.write_text(text, "utf-8")
    answer = refused("--hparams", str(file))
    assert "h.json" in answer or "..." in answer
    assert message in answer
    with pytest.raises(InputError) as caught:
        from_dict(Options, {"output": "o", **values}, "settings.json")
    assert str(caught.value).startswith(f"settings.json: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{batch_size = 8}", "--hparams {batch_size = 8}: not JSON: line 1, column 13"),
        ('{"batch_size": 8, "batch_size": 9}', "batch_size"),
        ('{"batch_size": 8', "not JSON"),
        ("batch_size=8", "--hparams batch_size=8: no such file; JSON text begins with {"),
        ("nowhere.json", "--hparams nowhere.json: no such file"),
        ("x" * 5000, "no such file"),
    ],
)
def test_hparams_that_are_no_json(text, message):
    answer = refused("--hparams", text)
    assert message in answer
    assert len(answer) < 250


def test_hparams_files_that_are_no_json_object(tmp_path):
    file = tmp_path / "h.json"
    file.write_text('{\n "rate": 1,\n"', "utf-8")
    assert f"{file}: not JSON: line 3, column" in refused("--hparams", str(file))
    file.write_bytes(b'{"mode": "\xb2"}')
    assert f"{file}: not UTF-8 text (byte 10)" in refused("--hparams", str(file))
    file.write_text("[1]", "utf-8")
    assert "expected a JSON object of hyperparameters" in refused("--hparams", str(file))
    assert "this is a folder" in refused("--hparams", str(tmp_path))


def test_missing_required_option():
    with pytest.raises(InputError, match=r"^command: --output is required$"):
        from_arguments(Options, [], "program command")
    with pytest.raises(InputError, match=r"^settings.json: --output is required$"):
        from_dict(Options, {}, "settings.json")


def test_saved_options_come_back(tmp_path):
    options = parse("--input", "甲", "b", "--limit", "3", "--no-do-log")
    save(options, tmp_path / "settings.json")
    values = json.loads((tmp_path / "settings.json").read_text("utf-8"))
    assert values == json.loads(json.dumps(to_dict(options)))
    assert from_dict(Options, values) == options


def test_comments_and_trailing_commas_are_accepted(tmp_path):
    text = '{"sizes": [7, 8,], // of both\n /* slow */ "mode": "slow",\n}'
    file = tmp_path / "h.json"
    file.write_text(f"\ufeff{text}", "utf-8")
    for given in (text, str(file)):
        options = parse("--hparams", given)
        assert (options.sizes, options.mode) == ((7, 8), "slow")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Successor:
    """Takes the place of a program with other keys."""

    names: tuple[str, ...] = option(help="names")
    sizes: dict | None = option(None, "sizes")  # noqa: RUF009
    hparams: str | None = option(None, "JSON")

    ALIASES: typing.ClassVar = {"old_names": "names"}
    NO_EFFECT: typing.ClassVar = {"use_tpu": "there is none"}
    REFUSED: typing.ClassVar = {"debug": (False, "use a small file")}


def test_keys_of_a_predecessor(capsys):
    def parse(*arguments):
        return from_arguments(Successor, list(arguments), "program command")

    assert parse("--old-names", "a", "b").names == ("a", "b")
    text = '{"old_names": "a", "use_tpu": true, "debug": false, "sizes": {"x": 1}}'
    assert parse("--hparams", text) == Successor(names=("a",), sizes={"x": 1}, hparams=text)
    note = "use_tpu has no effect here: there is none"
    assert note in capsys.readouterr().err
    assert parse("--names", "a", "--use-tpu", "true", "--sizes", '{"x": 1,}').sizes == {"x": 1}
    assert note in capsys.readouterr().err
    with pytest.raises(InputError, match="debug True is not supported: use a small file"):
        parse("--hparams", '{"names": "a", "debug": true}')
    with pytest.raises(InputError, match="--sizes: expected a JSON object, got 'x'"):
        parse("--names", "a", "--sizes", "x")

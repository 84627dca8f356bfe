"""The original's TFRecords: every example arrives, damage and foreign records are named."""

import struct

import numpy as np
import pytest

from paddle_electra import cli
from paddle_electra.errors import InputError
from paddle_electra.pretraining import from_tfrecords, shard_folder, tfrecords
from paddle_electra.pretraining.from_tfrecords import convert_tfrecords
from paddle_electra.pretraining.shards import ShardDataset
from paddle_electra.pretraining.tfrecords import Record, read_records, write_records

CLS, SEP = 2, 3
LENGTH = 16


@pytest.fixture
def vocab(tmp_path):
    path = tmp_path / "words.txt"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    path.write_text("\n".join(tokens + [f"t{n}" for n in range(995)]) + "\n")
    return path


def make_examples(count, seed=0, vocab_size=1000):
    """(ids, tokens of type 0) of every shape: one segment, two, an empty first one, full."""
    rng = np.random.default_rng(seed)
    examples = [([CLS, SEP, 900, SEP], 2), ([CLS, *[999] * 14, SEP], 16), ([CLS, 0, SEP], 3)]
    while len(examples) < count:
        first, second = rng.integers(0, 7, 2).tolist()
        ids = [CLS, *rng.integers(5, vocab_size, first).tolist(), SEP]
        size = len(ids)
        if second:
            ids += [*rng.integers(5, vocab_size, second).tolist(), SEP]
        examples.append((ids, size))
    return examples


def padded(ids, first_length, length=LENGTH):
    rest = [0] * (length - len(ids))
    second = len(ids) - first_length
    return Record(ids + rest, [1] * len(ids) + rest, [0] * first_length + [1] * second + rest)


def write(path, examples, length=LENGTH):
    write_records(path, [padded(*example, length) for example in examples])
    return path


def all_examples(dataset):
    return [(ids.tolist(), first_length) for ids, first_length in dataset]


def test_every_example_arrives_in_order(tmp_path, vocab):
    examples = make_examples(3000)
    folder = tmp_path / "records"
    for number in range(12):
        part = examples[number * 250 : (number + 1) * 250]
        write(folder / f"pretrain_data.tfrecord-{number}-of-12", part)
    arguments = ["--input", folder, "--vocab", vocab, "--output", tmp_path / "out"]
    assert cli.main(["data", "from-tfrecords", *map(str, arguments)]) == 0
    dataset = ShardDataset(tmp_path / "out")
    assert all_examples(dataset) == examples
    assert dataset.max_seq_length == LENGTH
    assert dataset.word_starts(0) is None
    dataset.verify()
    numbers = dataset.meta["statistics"]
    assert numbers["examples"] == 3000
    assert numbers["two_segment_examples"] == sum(first < len(ids) for ids, first in examples)


def test_patterns_files_and_folders(tmp_path):
    names = [f"pretrain_data.tfrecord-{n}-of-11" for n in (0, 2, 10)]
    for name in names:
        write(tmp_path / name, make_examples(3))
    (tmp_path / "notes.txt").write_text("")
    expected = [tmp_path / name for name in names]
    assert from_tfrecords.find_tfrecords([tmp_path]) == expected
    assert from_tfrecords.find_tfrecords([f"{tmp_path}/pretrain*"]) == expected
    assert from_tfrecords.find_tfrecords([expected[2], tmp_path]) == [expected[2], *expected[:2]]
    for missing in (tmp_path / "x", f"{tmp_path}/x*"):
        with pytest.raises(InputError, match="no such file, nor does it match"):
            from_tfrecords.find_tfrecords([missing])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: no file named \*.tfrecord\*"):
        from_tfrecords.find_tfrecords([tmp_path / "empty"])


def test_converting_again_changes_nothing_and_a_stopped_one_goes_on(
    tmp_path, vocab, monkeypatch, capsys
):
    monkeypatch.setattr(from_tfrecords, "SHARD_BYTES", 1)
    files = [write(tmp_path / f"a.tfrecord-{n}", make_examples(40, n)) for n in range(4)]
    out = tmp_path / "out"
    original = from_tfrecords._convert_files

    def stopping(folder, number, *arguments):
        if number == 2:
            raise KeyboardInterrupt
        return original(folder, number, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(from_tfrecords, "_convert_files", stopping)
        with pytest.raises(KeyboardInterrupt):
            convert_tfrecords(files, vocab, True, out)
    kept = (out / "shard-00000.tokens").stat().st_mtime_ns
    dataset = convert_tfrecords(files, vocab, True, out)
    assert (out / "shard-00000.tokens").stat().st_mtime_ns == kept
    assert len(dataset.meta["shards"]) == 4
    assert all_examples(dataset) == [e for n in range(4) for e in make_examples(40, n)]

    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    capsys.readouterr()
    convert_tfrecords(files, vocab, True, out)
    assert "already converted" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before
    with pytest.raises(InputError, match=r"differ from this build .*--overwrite"):
        convert_tfrecords(files[:2], vocab, True, out)
    assert len(convert_tfrecords(files[:2], vocab, True, out, overwrite=True)) == 80
    assert (
        not list(out.glob("shard-00003*")) and not (out / shard_folder.DUPLICATES_FOLDER).exists()
    )


def entry(name, feature):
    return tfrecords._bytes_field(
        1, tfrecords._bytes_field(1, name.encode()) + tfrecords._bytes_field(2, feature)
    )


def write_data(path, datas):
    with open(path, "wb") as handle:
        for data in datas:
            length = struct.pack("<Q", len(data))
            handle.write(length + struct.pack("<I", tfrecords.checksum(length)))
            handle.write(data + struct.pack("<I", tfrecords.checksum(data)))
    return path


def test_lists_that_are_not_packed_other_features_and_large_numbers(tmp_path):
    numbers = [[5, 300, 2**40, -1], [1, 1, 1, 1], [0, 0, 1, 1]]
    entries = []
    for name, values in zip(tfrecords.NAMES[::-1], numbers[::-1], strict=True):
        single = b"".join(b"\x08" + tfrecords.varint(value & (2**64 - 1)) for value in values)
        entries.append(entry(name, tfrecords._bytes_field(3, single)))
    entries.append(entry("title", tfrecords._bytes_field(1, b"\x0a\x03abc")))
    path = write_data(tmp_path / "a", [tfrecords._bytes_field(1, b"".join(entries))])
    write_records(tmp_path / "b", [numbers])
    for file in (path, tmp_path / "b"):
        (record,) = read_records(file)
        assert [part.tolist() for part in record] == numbers


def test_an_example_spelled_out_byte_by_byte(tmp_path):
    def feature(name, packed):
        body = b"\x0a" + bytes([len(packed)]) + packed
        inner = b"\x0a" + bytes([len(name)]) + name.encode()
        inner += b"\x12" + bytes([len(body) + 2]) + b"\x1a" + bytes([len(body)]) + body
        return b"\x0a" + bytes([len(inner)]) + inner

    features = feature("input_ids", b"\x02\xac\x02\x03") + feature("input_mask", b"\x01\x01\x01")
    features += feature("segment_ids", b"\x00\x00\x00")
    data = b"\x0a" + bytes([len(features)]) + features
    assert tfrecords.serialize(([2, 300, 3], [1, 1, 1], [0, 0, 0])) == data
    (record,) = read_records(write_data(tmp_path / "a", [data]))
    assert record.input_ids.tolist() == [2, 300, 3]


def test_the_checksum_is_the_formats():
    # From RFC 3720 (32 zero bytes: 0x8A9136AA), masked as the format says.
    crc = 0x8A9136AA
    assert tfrecords.checksum(bytes(32)) == (((crc >> 15) | (crc << 17)) + 0xA282EAD8) % 2**32


def test_damage_is_named_with_its_record(tmp_path, vocab):
    path = write(tmp_path / "a.tfrecord", make_examples(5))
    content = path.read_bytes()
    sizes = [len(tfrecords.serialize(padded(*example))) + 16 for example in make_examples(5)]

    def refused(data, message):
        path.write_bytes(data)
        with pytest.raises(InputError, match=message) as caught:
            convert_tfrecords([path], vocab, True, tmp_path / "out")
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "out" / "dataset.json").exists()

    third = sizes[0] + sizes[1]
    refused(content[:-1], "a.tfrecord: record 5: the file ends inside it; copy")
    refused(content[: third + 5], "a.tfrecord: record 3: the file ends inside it")
    for place, message in [(third, "checksum of its length"), (third + 40, "its checksum")]:
        changed = bytearray(content)
        changed[place] ^= 1
        refused(bytes(changed), f"a.tfrecord: record 3: damaged .*{message} differs")
    huge = struct.pack("<Q", 2**62)
    refused(huge + struct.pack("<I", tfrecords.checksum(huge)), "record 1: the file ends inside")
    refused(b"", "a.tfrecord: no record in it")
    refused("天地玄黄\n".encode() * 9, "record 1: damaged")


FIXED = tfrecords._bytes_field(3, b"\x0d\x01\x02\x03\x04")  # a number of four bytes


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tfrecords._bytes_field(1, entry("input_ids", FIXED)), "not a tf.train.Example"),
        (b"\xff" * 12, "a number is too long"),
        (b"\x0a\x7f\x01", "reaches past its end"),
        (b"", "no input_ids"),
        (b"\x08\x01", "not a tf.train.Example"),
        (tfrecords.serialize(([], [], [])), "no input_ids"),
        (
            tfrecords.serialize(([2, 3], [1, 1], [0])),
            r"unequal length \(input_ids 2, input_mask 2, segment_ids 1\)",
        ),
    ],
)
def test_what_is_no_example_is_refused(tmp_path, data, message):
    path = write_data(tmp_path / "a", [data])
    with pytest.raises(InputError, match=f"a: record 1: .*({message}).*; expected a record of"):
        list(read_records(path))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            ([2, 1000, 3, 0], [1, 1, 1, 0], [0, 0, 0, 0]),
            "id 1000 is outside the vocabulary of 1000",
        ),
        (([2, -1, 3, 0], [1, 1, 1, 0], [0, 0, 0, 0]), "id -1 is outside"),
        (([2, 9, 3, 0, 0], [1, 1, 1, 0, 0], [0] * 5), "5 numbers, but the first record has 4"),
        (([2, 9, 3, 0], [1, 0, 1, 0], [0] * 4), "input_mask: expected ones"),
        (([2, 9, 3, 0], [0] * 4, [0] * 4), "input_mask: expected ones"),
        (([2, 9, 3, 0], [1, 1, 1, 0], [0, 1, 0, 0]), "segment_ids: expected zeros"),
        (([2, 9, 3, 0], [1, 1, 1, 0], [0, 0, 0, 1]), "segment_ids: expected zeros"),
        (([2, 9, 3, 0], [1, 1, 1, 0], [0, 0, 2, 0]), "segment_ids: expected zeros"),
    ],
)
def test_records_that_cannot_be_kept_are_refused(tmp_path, vocab, record, message):
    path = tmp_path / "a.tfrecord"
    write_records(path, [padded([2, 7, 3], 3, 4), record])
    with pytest.raises(InputError, match=f"a.tfrecord: record 2: {message}"):
        convert_tfrecords([path], vocab, True, tmp_path / "out")


def test_records_of_another_vocabulary_are_noticed(tmp_path, vocab, capsys):
    path = write(tmp_path / "a.tfrecord", [([101, 7, 102], 3)])
    convert_tfrecords([path], vocab, True, tmp_path / "out")
    assert "begins with id 101, [CLS] is 2" in capsys.readouterr().err


@pytest.mark.reference
def test_recorded_examples_survive(tmp_path, oracle):
    vocab = sorted(oracle.glob("electra_*/vocab.txt"))[0]
    recordings = sorted((oracle / "pretrain_data").glob("examples_*.npz"))
    assert recordings
    for recording in recordings:
        arrays = np.load(recording)
        recorded = [arrays[name] for name in tfrecords.NAMES]
        path = tmp_path / f"{recording.stem}.tfrecord"
        write_records(path, zip(*recorded, strict=True))
        dataset = convert_tfrecords([path], vocab, True, tmp_path / recording.stem)
        assert dataset.max_seq_length == recorded[0].shape[1]
        rows = zip(*recorded, strict=True)
        for (ids, first_length), (row, mask, types) in zip(dataset, rows, strict=True):
            again = padded(ids.tolist(), first_length, len(row))
            for ours, theirs in zip(again, (row, mask, types), strict=True):
                np.testing.assert_array_equal(ours, theirs)
        empty = sum(first == 2 < len(ids) for ids, first in dataset)
        assert empty > 0 or "google" in recording.stem

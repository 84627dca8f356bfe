"""XNLI's development file in two halves."""

import real_data


def test_the_halves_of_a_multilingual_file_are_chinese_and_share_no_premise(tmp_path):
    rows = ["language\tgold_label\ta\tb\tc\td\tsentence1\tsentence2"]
    for language in ("ar", "zh"):
        for number in range(40):
            row = (language, "neutral", "", "", "", "", f"{language}{number // 2}", str(number))
            rows.append("\t".join(row))
    (tmp_path / "all.tsv").write_text("\n".join(rows), "utf-8")
    real_data.split_xnli(tmp_path / "all.tsv", tmp_path)
    halves = {}
    for name in ("train", "dev"):
        header, *found = (tmp_path / f"{name}.tsv").read_text("utf-8").splitlines()
        assert header == rows[0]
        halves[name] = [row.split("\t") for row in found]
        assert len(found) == 20 and {row[0] for row in halves[name]} == {"zh"}
    premises = [{row[6] for row in half} for half in halves.values()]
    assert not premises[0] & premises[1]

"""Sentence splitting: where it cuts, where it must not, and that nothing is lost."""

import random

import pytest

from paddle_electra.text.sentences import split_sentences


@pytest.mark.parametrize(
    "line",
    [
        "今天下雨。|明天呢？|不知道！|算了；|再说吧",
        "他说：“你好。”|她没有回答。|",
        "「真的嗎？」|「真的。」|",
        "（参见第三条。）|第四条另有规定。|",
        "怎么会这样？！|太奇怪了！！！|",
        "我想……|还是算了吧……。|好",
        '他说："走吧。"|她说："好。"|然后他们走了。|',
        '他停下来。|"谁在那里？"|没人回答。',
        "读过《你是谁？》、《我是谁？》的人不多。|你呢？|",
        "半句…不断开，一个点不算。|",
        "句号后有空格。  |下一句。　|再一句。",
        "１．甲是３．１４米．|证毕．|",
        # ASCII marks
        "你好!|今天怎么样?|还行.|那就好",
        "圆周率是3.14159，版本1.2.3。|价格$5.00元",
        "见 http://example.com/index.html?a=1&b=2 一页。|下载 www.example.com 的文件",
        "This is one. |Here is another! |是吗? |Yes.",
        "He met Dr. Smith in the U.S. Army. |They talked.",
        "如 Fig. 3 和 e.g. 某处所示。|完",
        "1. 第一条 甲方。|乙方",
        "用 Python 3. |然后继续",
        "Hello!|你好?|",
        "Yahoo! answers 和 file.txt 不断开",
        "文件在网站.com上",
        "没有标点的一行",
        "......",
        "。",
        "",
    ],
)
def test_where_sentences_end(line):
    expected = line.split("|")
    if len(expected) > 1 and not expected[-1]:
        expected.pop()
    assert split_sentences("  " + line.replace("|", "") + " ") == expected


def test_joined_sentences_are_the_stripped_line():
    rng = random.Random(1)
    alphabet = "中文字母ab3 \t　。！？；…⋯.!?,，、“”\"'（）()「」\u00a0"
    for _ in range(5000):
        line = "".join(rng.choices(alphabet, k=rng.randrange(0, 30)))
        pieces = split_sentences(line)
        assert "".join(pieces) == line.strip()
        assert all(piece.strip() for piece in pieces) or pieces == [""]


def test_a_very_long_line_is_handled():
    assert split_sentences("长" * 500_000) == ["长" * 500_000]
    assert len(split_sentences('他说"是。"' * 20_000)) == 20_000

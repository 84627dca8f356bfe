import json
import re

import flask
import pytest

from paddle_electra.page.files import FILES, FOLDER, SHOWN, Page


def page(file="", **about):
    """The response that hands out a file of a page."""
    with flask.Flask(__name__).app_context():
        given = {"name": "model", "tasks": SHOWN, "predict_url": "predict/model", **about}
        return Page(**given).response(file)


def config_of(html):
    return json.loads(re.search(r'id="config">(.*?)</script>', html).group(1))


def test_labels_and_names_cannot_break_out_of_the_page():
    shown = page(name="</script><script>alert(1)", labels={"seq-cls": ["差", "</script>"]})
    html = shown.get_data(as_text=True)
    assert config_of(html)["labels"] == {"seq-cls": ["差", "</script>"]}
    assert config_of(html)["name"] == "</script><script>alert(1)"
    assert "alert(1)</script>" not in html


@pytest.mark.parametrize("file", FILES)
def test_the_browser_may_load_nothing_from_elsewhere(file):
    answer = page(file)
    assert answer.status_code == 200
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "://" not in answer.get_data(as_text=True)


def test_every_file_is_handed_out():
    there = {path.name for path in FOLDER.iterdir() if path.suffix in (".js", ".css")}
    assert there == set(FILES)


def test_both_languages_have_every_text():
    words = (FOLDER / "words.js").read_text("utf-8")
    english, chinese = words.split("\n  zh: {")
    keys = [re.findall(r'^ {4,}"?([\w-]+)"?:', half, re.M) for half in (english, chinese)]
    assert keys[0] == keys[1]
    assert set(SHOWN) < set(keys[1])


def test_tasks_that_the_page_cannot_show_are_not_offered():
    shown = page(tasks=["embedding", "seq-cls", "fill-mask"])
    assert config_of(shown.get_data(as_text=True))["tasks"] == ["fill-mask", "seq-cls"]

"""The page in a real Chromium: typing, clicking and reading what it shows."""

import re
import subprocess
import sys

import pytest
from chromium import Page
from tiny_checkpoint import TEXTS, make_checkpoint

from paddle_electra.inference.predictor import Predictor

pytestmark = pytest.mark.slow
LABELS = ["差", "好"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {
        "pretrained": make_checkpoint(root / "pretrained", generator=True),
        "tuned": make_checkpoint(root / "tuned", LABELS),
    }


@pytest.fixture(scope="module")
def pages(models):
    """{name of a model: address of its page}, each served by a process of its own."""
    command = [sys.executable, "-m", "paddle_electra", "serve", "--page", "--port", "0"]
    servers, found = [], {}
    for name, folder in models.items():
        server = subprocess.Popen(
            [*command, "--name", name, "--model", str(folder), "--engine", "eager"],
            stderr=subprocess.PIPE,
            text=True,
        )
        servers.append(server)
        said = []
        for line in server.stderr:
            said.append(line)
            if address := re.search(r"(http://127\.0\.0\.1:\d+/) is the page", line):
                found[name] = address.group(1)
                break
        assert name in found, "".join(said)
    yield found
    for server in servers:
        server.terminate()
        server.communicate(timeout=30)


def test_typing_errors_are_coloured_and_a_suggestion_goes_into_the_text(browser, pages, models):
    page = Page(browser, pages["pretrained"])
    text = TEXTS[0]
    (expected,) = Predictor.load(models["pretrained"]).detect([text])
    assert expected["suspicious"], "choose another seed: this test needs a mark"
    page.type(text)
    page.run()
    shown = page.all("#marked span")
    assert "".join(span.text for span in shown) == text
    for span, character in zip(shown, expected["characters"], strict=True):
        chance = character["probability"]
        assert float(span.get_attribute("data-probability")) == pytest.approx(chance, abs=1e-5)
    opacity = [
        float(span.value_of_css_property("background-color").rstrip(")").rpartition(",")[2])
        for span in shown
    ]
    likeliest = max(range(len(text)), key=lambda i: expected["characters"][i]["probability"])
    assert opacity[likeliest] == max(opacity) > 0.85 * 0.5 - 0.01
    mark = expected["suspicious"][0]
    page.one(f"#marked span:nth-child({mark['start'] + 1})").click()
    assert "chosen" in page.one("#mark-0").get_attribute("class")
    best = mark["suggestions"][0]["token"]
    page.one("#mark-0 .chips button").click()
    corrected = text[: mark["start"]] + best.removeprefix("##") + text[mark["end"] :]
    # Asked of the page in one go: elements are redrawn meanwhile.
    shown = "return document.getElementById('marked').textContent"
    page.wait(lambda: browser.execute_script(shown) == corrected)
    assert page.one("#text").get_attribute("value") == corrected
    assert page.errors() == []


def test_masks_are_filled_in_and_mistakes_are_explained_in_both_languages(browser, pages, models):
    page = Page(browser, pages["pretrained"])
    page.one("#tab-fill-mask").click()
    page.type("今天天气真好")
    page.one("#run").click()
    assert "[MASK]" in page.one("#status").text
    page.type("今天[MASK]气真好")
    page.run()
    ((choices,),) = Predictor.load(models["pretrained"]).fill_mask(["今天[MASK]气真好"])
    rows = [row.text.split()[0] for row in page.all("#result tbody tr")]
    assert rows == [choice["token"] for choice in choices]
    assert page.one("#run").text == "Run"
    page.one("#language").click()
    assert page.one("#run").text == "运行"
    assert page.one("#result th").text == "空位 1"
    page.type("长" * 80 + "[MASK]")
    page.run()
    assert "shorten the text" in page.one("#status").text, "the server's own words"


def test_a_classifier_shows_its_labels_with_probabilities(browser, pages, models):
    page = Page(browser, pages["tuned"])
    assert [tab.text for tab in page.all("#tabs button")] == ["Classify", "Classify a pair"]
    page.run()
    assert "type or paste" in page.one("#status").text
    page.type(TEXTS[3])
    page.run()
    (label,), ((first, second),) = Predictor.load(models["tuned"]).predict(
        [TEXTS[3]], return_prob=True
    )
    best, other = (row.text for row in page.all("#result tbody tr"))
    assert best.startswith(f"{label} {100 * max(first, second):.1f} %")
    assert other.endswith(f"{100 * min(first, second):.1f} %")
    assert page.errors() == []

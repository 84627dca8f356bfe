"""Make the picture of the page, docs/page.png, with the shipped model in a headless Chromium.

    python tools/make_page_picture.py [--text TEXT] [--mark-from 0.5] [--output docs/page.png]

Needs the extra "dev" (selenium) and the Debian packages chromium, chromium-driver and a Chinese
font, such as fonts-noto-cjk.
"""

import argparse
import contextlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from paddle_electra.demo.shipped import MISTYPED  # noqa: E402
from paddle_electra.files import atomic_write  # noqa: E402

MODEL = "chinese-electra-tiny"
SECONDS = 60
# Sets a slider as a visitor does, who also lets the page know.
MOVE = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))"


@contextlib.contextmanager
def serving():
    """The address of a page of the shipped model, while it is served."""
    words = ["serve", "--page", "--port", "0", "--name", MODEL, "--model", MODEL]
    with subprocess.Popen(
        [sys.executable, "-m", "paddle_electra", *words],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            said = []
            for line in server.stderr:
                said.append(line)
                if address := re.search(r"(http://127\.0\.0\.1:\d+/) is the page", line):
                    break
            else:
                raise SystemExit("".join(said))
            yield address[1]
        finally:
            server.terminate()


@contextlib.contextmanager
def chromium():
    """A headless Chromium."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--lang=en", "--window-size=900,720"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield browser
    finally:
        browser.quit()


def picture(address, text, mark_from):
    """PNG bytes of the page after it has looked for typing errors in a text."""
    with chromium() as browser:
        browser.get(address)
        one = browser.find_element
        one(By.ID, "text").send_keys(text)
        browser.execute_script(MOVE, one(By.ID, "threshold"), str(mark_from))
        one(By.ID, "run").click()
        found = (By.CSS_SELECTOR, "#marked span")
        WebDriverWait(browser, SECONDS).until(lambda _: browser.find_elements(*found))
        return browser.get_screenshot_as_png()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--text", default=MISTYPED[0])
    parser.add_argument("--mark-from", type=float, default=0.5, help="probability; 0.5")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "page.png")
    arguments = parser.parse_args()
    with serving() as address, atomic_write(arguments.output, "wb") as file:
        file.write(picture(address, arguments.text, arguments.mark_from))
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()

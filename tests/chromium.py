"""A real Chromium, for tests of the page."""

import os
import shutil

import pytest

try:
    from selenium import webdriver
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait
except ImportError:
    webdriver = None


def _missing():
    if webdriver is None:
        return "no selenium: it needs the extra 'dev'"
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        return "no chromium and chromedriver (Debian: chromium, chromium-driver)"
    return None


def start():
    """A running browser; without Chromium the test is skipped, or fails where ELECTRA_BROWSER is
    "required"."""
    if missing := _missing():
        if os.environ.get("ELECTRA_BROWSER") == "required":
            pytest.fail(missing)
        pytest.skip(missing)
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--lang=en"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    running = webdriver.Chrome(options, service)
    running.set_page_load_timeout(60)
    return running


class Page:
    """What a visitor does and sees."""

    def __init__(self, browser, address):
        self.browser = browser
        browser.get(address)

    def one(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def type(self, text):
        box = self.one("#text")
        box.clear()
        box.send_keys(text)

    def run(self):
        """Click, and wait until the answer or a message is there."""
        self.one("#run").click()
        self.wait(lambda: self.one("#run").is_enabled())

    def wait(self, condition):
        WebDriverWait(self.browser, 60).until(lambda _: condition())

    def errors(self):
        return [entry for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]

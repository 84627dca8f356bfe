"""Hands the page's files out; everything it shows it asks from the serving API."""

import json
from pathlib import Path

from flask import Response

FOLDER = Path(__file__).parent
FILES = {
    "page.js": "text/javascript; charset=utf-8",
    "words.js": "text/javascript; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
}
# What the page can show of a request's tasks, in this order; words.js and page.js know each.
SHOWN = ("detect", "fill-mask", "seq-cls", "pair-cls", "text-matching", "tag", "qa")
# Nothing from elsewhere may be loaded, asked or shown.
_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"


class Page:
    """The page's files for one model.

    Args:
        name: shown as the title.
        tasks: what the model answers, names as in a request's ``task``; those of `SHOWN` are
            offered.
        predict_url: where the page sends its requests, relative to the page.
        labels: {task: labels of a classification, in the order of its probabilities}.
    """

    def __init__(self, name, tasks, predict_url, labels=None):
        shown = [task for task in SHOWN if task in tasks]
        config = {"name": name, "tasks": shown, "predict_url": predict_url, "labels": labels}
        # "<" could end the script element that holds the JSON.
        text = json.dumps(config, ensure_ascii=False).replace("<", "\\u003c")
        self._html = (FOLDER / "index.html").read_text("utf-8").replace("{{CONFIG}}", text)

    def response(self, file=""):
        """Flask's response for the page ("") or a file beside it; None for another."""
        if file and file not in FILES:
            return None
        content = (FOLDER / file).read_text("utf-8") if file else self._html
        response = Response(content, content_type=FILES.get(file, "text/html; charset=utf-8"))
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

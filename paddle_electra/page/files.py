"""Hands the page's files out; everything it shows it asks from the serving API."""

import json
from pathlib import Path

from flask import Blueprint, Flask, Response

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


def page_blueprint(name, tasks, predict_url, labels=None):
    """A Flask blueprint with the page at its root and the files beside it.

    Args:
        name: shown as the title.
        tasks: what the model answers, names as in a request's ``task``; those of `SHOWN` are
            offered.
        predict_url: where the page sends its requests, relative to the page.
        labels: of a classification, in the order of its probabilities.
    """
    shown = [task for task in SHOWN if task in tasks]
    config = {"name": name, "tasks": shown, "predict_url": predict_url, "labels": labels}
    # "<" could end the script element that holds the JSON.
    text = json.dumps(config, ensure_ascii=False).replace("<", "\\u003c")
    html = (FOLDER / "index.html").read_text("utf-8").replace("{{CONFIG}}", text)
    blueprint = Blueprint("page", __name__)

    @blueprint.after_request
    def guard(response):
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    @blueprint.get("/")
    def index():
        return Response(html, mimetype="text/html")

    def hand_out(file):
        content, kind = (FOLDER / file).read_text("utf-8"), FILES[file]
        blueprint.add_url_rule(
            f"/{file}", file.replace(".", "_"), lambda: Response(content, content_type=kind)
        )

    for file in FILES:
        hand_out(file)
    return blueprint


class PageServer:
    """What ``create_gradio_app`` of a module returns: PaddleHub calls its ``launch``.

    PaddleHub passes requests under ``/gradio/NAME`` on to it one at a time and waits for the end
    of each answer.  Gradio's own pages hold a request open for as long as they are looked at, so
    one visitor would stop such a server; this page asks ``/predict/NAME`` and needs files only.

    Args: those of `page_blueprint`.
    """

    def __init__(self, name, tasks, predict_url, labels=None):
        self.app = Flask(__name__, static_folder=None)
        self.app.register_blueprint(page_blueprint(name, tasks, predict_url, labels))

    def launch(self, server_port, server_name="127.0.0.1"):
        """Serve until the process ends; on loopback, from where PaddleHub passes it on."""
        self.app.run(host=server_name, port=server_port, threaded=True, use_reloader=False)

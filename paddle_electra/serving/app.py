"""A Flask application of ours that serves one model, without PaddleHub."""

from flask import Flask, abort, request
from werkzeug.exceptions import HTTPException

from ..page.files import Page
from . import http
from .server import Server


def page_of(service, predict_url):
    """The `Page` for what a `Service` answers at ``predict_url``, relative to the page."""
    operations = service.operations
    return Page(service.name, operations.tasks, predict_url, operations.labels_of)


def create_app(service, page=False):
    """A Flask application that answers for one `Service`.

    Args:
        page: show the web page at ``/``, too.
    """
    app = Flask(__name__, static_folder=None)

    @app.route("/predict/<name>", methods=["GET", "POST", "PUT", "DELETE", "PATCH"])
    def predict(name):
        if name != service.name:
            message = f"Module {name:.80} is not available; there is {service.name}"
            return http.reply("", http.UNKNOWN, message)
        return http.predict(request, service)

    @app.get("/health")
    @app.get("/health/<name>")
    def health(name=None):
        return http.health({service.name: service.health}, name)

    @app.errorhandler(HTTPException)
    def refuse(error):
        return http.refused(error, request.path, service.name)

    if page:
        shown = page_of(service, f"predict/{service.name}")

        @app.get("/")
        @app.get("/<file>")
        def files(file=""):
            return shown.response(file) or abort(404)

    return app


class PageServer:
    """The page of a model and the answers that it asks for, on a port of their own.

    What ``create_gradio_app`` of a module returns; PaddleHub, as others, calls its ``launch``.

    Args:
        service: a `Service`.
    """

    def __init__(self, service):
        self.settings, self.app = service.settings, create_app(service, page=True)

    def launch(self, server_port=7860, server_name="127.0.0.1"):
        """Serve until SIGTERM or Ctrl-C."""
        threads, patience = self.settings.threads, self.settings.read_seconds
        Server(self.app, server_name, server_port, threads, patience).run_until_told()

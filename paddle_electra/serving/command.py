"""``paddle-electra serve``: a model over HTTP without PaddleHub, at the same addresses."""

import re
import sys
from pathlib import Path

from flask import Flask, request
from werkzeug.exceptions import HTTPException

from .. import __version__
from ..errors import InputError
from ..hub.classifiers import CLASSIFIERS
from ..inference.predictor import Predictor
from . import http
from .operations import Operations
from .server import Server
from .service import Service


def run(options):
    """The command ``serve``."""
    name = _name(options)
    predictor = Predictor.load(
        options.model,
        engine=options.engine,
        precision=options.precision,
        threads=options.compute_threads,
        device=options.device,
    )
    operations = Operations(lambda: predictor, classifiers=CLASSIFIERS)
    operations.prepare()
    service = Service(name, __version__, operations, options)
    app = create_app(service, options.page)
    server = Server(app, options.host, options.port, options.threads, options.read_seconds)
    shown = f"[{options.host}]" if ":" in options.host else options.host
    print(f"http://{shown}:{server.port}/predict/{name} answers; Ctrl-C ends it", file=sys.stderr)
    if options.page:
        print(f"http://{shown}:{server.port}/ is the page", file=sys.stderr)
    try:
        server.run_until_told()
    finally:
        service.close()


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
        message = f"{request.path:.80}: {error.name}; there are /predict/{service.name} and /health"
        return http.reply("", http.MISTAKE, message, error.code)

    if page:
        from ..page.files import page_blueprint

        operations, url = service.operations, f"predict/{service.name}"
        labels = operations.predictor().labels
        app.register_blueprint(page_blueprint(service.name, operations.tasks, url, labels))
    return app


def _name(options):
    name = options.name
    if name is None:
        path = Path(options.model)
        name = re.sub(r"[^\w.-]+", "-", (path if path.is_dir() else path.with_suffix("")).name)
    if not re.fullmatch(r"[\w.-]{1,80}", name):
        raise InputError(f"--name {name!r:.90}: expected letters, digits, '.', '_' and '-'")
    return name

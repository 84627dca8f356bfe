"""The seam with ``hub serving``.

PaddleHub loads the modules, then calls ``app_compat.create_app`` and runs the Flask application it
gets, answering one request at a time, or hands it to gunicorn.  The first module of ours that is
loaded in a process puts itself around that function, once.  For our modules the application then
has the checks, the batches and the health answers of the package ``serving``; the modules beside
them are answered by PaddleHub as ever, one request after the other, as their authors expect.  The
server listens where ELECTRA_SERVING_HOST says.
"""

import sys
import threading

import paddle
from paddlehub.module.module import serving

from ..errors import InputError
from ..runtime import share_cores, share_one_heap
from ..serving.settings import ServingSettings

_HOST = "0.0.0.0"  # PaddleHub's own
_COMPAT = "paddlehub.serving.app_compat"  # which only the command `hub` imports
_OF_THE_SERVER = ("host", "threads", "read_seconds")
PAGE = "app"  # what PaddleHub calls the page below /gradio/NAME
_VIEW = "predict_serving_v2"  # its function for /predict/NAME
_MARK = "paddle_electra_settings"


class ServedModule:
    """The serving method of a module.

    A subclass has ``name``, ``version``, ``predictor``, ``pretrained``, ``heads`` and
    ``_choose_device``.
    """

    def prepare_serving(self, settings=None):
        """Take part in ``hub serving``, if this is one.

        Args:
            settings: {field: value} of `ServingSettings`, or None; the rest is the environment's.
        Raises:
            InputError: a wrong one.
        """
        # These need packages whose absence the constructor has to report.
        from ..serving.operations import Operations
        from ..serving.service import Service

        operations = Operations(
            lambda: self.predictor, lambda: self.pretrained, self._choose_device, self.heads
        )
        settings = ServingSettings.load(settings)
        self.service = Service(self.name, str(self.version), operations, settings)
        _join(settings)

    @serving
    def serve(self, **fields):
        """The results for ``POST /predict/NAME``; the arguments are the fields of the request.

        ``task`` is the module's task or "embedding", "fill-mask", "detect"; by default the module's
        own, or when it has none "seq-cls" for a fine-tuned module and "embedding" for another.
        With ``return_prob`` each result of a classification is ``{"label": ...,
        "probabilities": [...]}``.

        Raises:
            InputError: naming the field that is wrong.
            Busy: too many requests are waiting.
        """
        return self.service.answer(fields)


def begin_on_cpu():
    """Under ``hub serving`` choose the CPU, whatever Paddle was built for, until a request asks for
    the GPU: so what is made ready is what most requests use, and gunicorn's workers, which cannot
    use a GPU that their parent has touched, do not inherit weights on one."""
    if _COMPAT in sys.modules:
        paddle.set_device("cpu")


def _join(settings):
    """Put `_protected` around PaddleHub's ``create_app`` unless that was done."""
    compat = sys.modules.get(_COMPAT)
    if compat is None:
        return
    if (first := getattr(compat.create_app, _MARK, None)) is not None:
        for name in _OF_THE_SERVER:
            given, known = getattr(settings, name), getattr(first, name)
            if given != known:
                raise InputError(
                    f"serving: {name} is of the whole server: {given!r} here, but {known!r} for "
                    f"the module before; say the same in all, or ELECTRA_SERVING_{name.upper()}"
                )
        return
    share_one_heap()
    create = compat.create_app

    def create_app(*arguments, **named):
        return _protected(create(*arguments, **named), settings)

    setattr(create_app, _MARK, settings)
    compat.create_app = create_app
    _configure_gunicorn()


def _protected(app, settings):
    """PaddleHub's application with answers of ours for modules of ours, and a server of ours."""
    from flask import request
    from werkzeug.exceptions import HTTPException

    from ..serving import http
    from ..serving.server import Server

    others = threading.Lock()
    view = app.view_functions[_VIEW]

    def one_after_the_other(module_name):
        with others:
            return view(module_name)

    app.view_functions[_VIEW] = one_after_the_other

    @app.before_request
    def answer():
        kind, _, name = request.path[1:].partition("/")
        modules = _modules()
        if kind == "health":
            return http.health({key: _report(info) for key, info in modules.items()}, name or None)
        if kind == "gradio":
            return _page(modules, name, request.method)
        service = _service(modules[name]) if kind == "predict" and name in modules else None
        if service is None or request.method == "OPTIONS":
            return None  # PaddleHub's own routes answer
        return http.predict(request, service, modules[name].get("predict_args"))

    @app.errorhandler(HTTPException)
    def refuse(error):
        return http.refused(error, request.path, "NAME")

    def run(host=None, port=8866, **unused):
        for service in filter(None, map(_service, _modules().values())):
            service.operations.prepare()
        server = Server(app, settings.host or _HOST, port, settings.threads, settings.read_seconds)
        server.run_until_told()

    app.run = run
    app.extensions[_MARK] = settings
    return app


def _page(modules, path, method):
    """The response to /gradio/NAME and /gradio/NAME/FILE; None for modules of others.

    PaddleHub itself would start a process for each page, in each worker, and pass requests on:
    whatever the method, a request for a page of ours must not reach it.
    """
    from flask import redirect

    from ..serving import http
    from ..serving.app import page_of

    name, _, file = path.partition("/")
    service = _service(modules[name]) if name in modules else None
    if service is None:
        return None if name in modules else http.unserved(name)
    if method not in ("GET", "HEAD"):
        told = f"the method is {method}; the page is got with GET"
        return http.reply("", http.MISTAKE, told, 405, Allow="GET, HEAD")
    if not file:
        return redirect(f"/gradio/{name}/{PAGE}")
    page = page_of(service, f"../../predict/{name}")  # from /gradio/NAME/app
    found = page.response("" if file == PAGE else file)
    return found or http.reply("", http.UNKNOWN, f"no file {file:.80} belongs to the page", 404)


def _modules():
    """{name: what PaddleHub knows} of the modules that are served."""
    from paddlehub.serving.model_service.base_model_service import v2_module_info

    return {name: v2_module_info.get_module_info(name) for name in v2_module_info.modules}


def _service(info):
    """The `Service` of a module of ours, of whatever version; None for another."""
    service = getattr(info["module"], "service", None)
    return service if hasattr(service, "health") else None


def _report(info):
    if service := _service(info):
        return service.health
    return lambda: {"name": str(info.get("name")), "version": str(info.get("version"))}


def _configure_gunicorn():
    """Workers of the multi-process mode have threads, too, and listen where they are told."""
    from paddlehub.serving import http_server

    load = getattr(http_server.StandaloneApplication, "load_config", None)
    if load is None or not hasattr(http_server, "gunicorn"):
        return

    def load_config(self):
        load(self)
        settings = getattr(self.application, "extensions", {}).get(_MARK)
        if settings is not None:
            self.cfg.set("worker_class", "gthread")
            self.cfg.set("threads", settings.threads)
            self.cfg.set("post_fork", _share_cores)
            if settings.host:
                port = self.cfg.settings["bind"].get()[0].rpartition(":")[2]
                host = f"[{settings.host}]" if ":" in settings.host else settings.host
                self.cfg.set("bind", f"{host}:{port}")

    http_server.StandaloneApplication.load_config = load_config


def _share_cores(arbiter, worker):
    """So many threads for the networks of a worker that all of them have the cores once."""
    share_cores(arbiter.cfg.workers)

"""``paddle-electra serve``: a model over HTTP without PaddleHub, at the same addresses."""

import functools
import re
import sys
from pathlib import Path

from .. import __version__
from ..checkpoint import native
from ..errors import InputError
from ..inference.predictor import Predictor, use_device
from .app import create_app
from .operations import Operations
from .server import Server
from .service import Service


def run(options):
    """The command ``serve``."""
    name = _name(options)
    use_device(options.device)
    load = functools.partial(
        Predictor.load,
        engine=options.engine,
        precision=options.precision,
        threads=options.compute_threads,
        device=options.device,
    )
    predictor = load(options.model)
    heads = native.heads_beside(predictor.networks.checkpoint)
    heads = {
        kind: functools.cache(lambda folder=path: load(folder)) for kind, path in heads.items()
    }
    operations = Operations(lambda: predictor, heads=heads)
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


def _name(options):
    name = options.name
    if name is None:
        path = Path(options.model)
        name = re.sub(r"[^\w.-]+", "-", (path if path.is_dir() else path.with_suffix("")).name)
    if not re.fullmatch(r"[\w.-]{1,80}", name):
        raise InputError(f"--name {name!r:.90}: expected letters, digits, '.', '_' and '-'")
    return name

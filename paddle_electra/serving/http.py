"""Requests over HTTP to services and back, in the form that PaddleHub's servers answer in."""

import json
import logging
import traceback
import weakref

from flask import Response
from werkzeug.exceptions import HTTPException

from ..errors import InputError
from .collector import Busy

# PaddleHub's codes: answered; a mistake in the request; no such module; not sent as JSON.
OK, MISTAKE, UNKNOWN, NOT_JSON = "000", "101", "111", "112"
_DRAINED = 64 << 20  # bytes of a body that is too large, read so that the client sees the answer
_CHUNK = 1 << 16
log = logging.getLogger(__name__)


class Refused(Exception):
    """A request that is no JSON object: HTTP code, status, message."""

    def __init__(self, code, status, message):
        super().__init__(message)
        self.code, self.status = code, status


def reply(results="", status=OK, message="", code=200, **headers):
    """PaddleHub's form: ``{"status", "msg", "results"}``."""
    body = {"status": status, "msg": message, "results": results}
    data = json.dumps(body, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    response = Response(_pieces(data), code, mimetype="application/json")
    response.content_length = len(data)
    response.headers.extend({name.replace("_", "-"): value for name, value in headers.items()})
    return response


def _pieces(data):
    """A server's time limit is for each piece: as one it would be for a large reply as a whole."""
    for start in range(0, len(data), _CHUNK):
        yield data[start : start + _CHUNK]


def predict(request, service, defaults=None):
    """The response to a request for ``/predict/NAME``, whatever it is.

    Mistakes in the fields have HTTP's code 200, as PaddleHub has it, and status "101"; what is no
    request for answers at all has 4xx, a full queue 503, and a failure of ours 500.

    Args:
        request: Flask's.
        service: the `Service` called NAME.
        defaults: {field: value} for what the request does not say.
    """
    try:
        fields = read_fields(request, service.settings.max_body_bytes)
        fields = {**(defaults or {}), **fields}
        return _answer(service, fields)
    except Refused as error:
        allow = {"Allow": "POST"} if error.code == 405 else {}
        return reply("", error.status, str(error), error.code, **allow)
    except InputError as error:
        return reply("", MISTAKE, str(error))
    except Busy as error:
        return reply("", MISTAKE, str(error), 503, Retry_After="1")
    except Exception as error:
        log.error("%s: %s", service.name, traceback.format_exc())
        kind = type(error).__name__
        return reply("", MISTAKE, f"a failure of the server, not of the request: {kind}", 500)


def _answer(service, fields):
    """The reply to the fields of a request, which counts as large until it has been sent, or
    dropped: werkzeug's server does not close the reply to a client that it loses at the end."""
    done = service.make_room(fields)
    try:
        response = reply(service.answer(fields))
    except BaseException:
        done()
        raise
    response.call_on_close(weakref.finalize(response, done))
    return response


def read_fields(request, most):
    """The JSON object that is the body.  Raises `Refused`."""
    if request.method != "POST":
        raise Refused(405, MISTAKE, f"the method is {request.method}; send a POST request")
    if not request.is_json:
        kind = request.mimetype or "missing"
        message = f"the header Content-Type is {kind:.40}; send application/json"
        raise Refused(415, NOT_JSON, message)
    body = _read(request, most)
    try:
        fields = json.loads(body)
    except RecursionError:
        raise Refused(400, MISTAKE, "the body is nested too deeply") from None
    except ValueError as error:
        raise Refused(400, MISTAKE, f"the body is not JSON ({error})"[:200]) from None
    if not isinstance(fields, dict):
        kind = type(fields).__name__
        message = f'the body is a JSON {kind}; send an object, such as {{"data": [["text"]]}}'
        raise Refused(400, MISTAKE, message)
    return fields


def _read(request, most):
    parts, size = [], 0
    too_large = (request.content_length or 0) > most
    try:
        while part := request.stream.read(_CHUNK):
            size += len(part)
            too_large = too_large or size > most
            if not too_large:
                parts.append(part)
            elif size > _DRAINED:
                break
    except (OSError, HTTPException):
        raise Refused(408, MISTAKE, "the body did not arrive in full") from None
    if too_large:
        message = f"the body has more than the {most} bytes that this server allows"
        raise Refused(413, MISTAKE, f"{message} (max_body_bytes)")
    return b"".join(parts)


def health(reports, name=None):
    """The response to ``/health`` and ``/health/NAME``.

    Args:
        reports: {name: function that gives a dict}.
        name: one of them; None for all.
    """
    if name is None:
        return reply({name: report() for name, report in reports.items()})
    return reply(reports[name]()) if name in reports else unserved(name)


def refused(error, path, name):
    """The response to what a server has no answer for, a werkzeug `HTTPException`."""
    message = f"{path:.80}: {error.name}; there are /predict/{name} and /health"
    return reply("", MISTAKE, message, error.code)


def unserved(name):
    """The response to a request that names no model of this server."""
    return reply("", UNKNOWN, f"nothing called {name:.80} is served here", 404)

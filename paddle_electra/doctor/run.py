"""The command: look at everything, print it, end with 1 where something does not work.

No package that is judged is imported in this process, and nothing here uses a network.
"""

import importlib.util
import platform

from .. import __version__
from ..progress import progress_bar
from . import gpu, imports, machine, modules, packages, report
from .findings import ERROR, WARNING, Finding


def run(options):
    """Print the report.

    Raises:
        SystemExit: 1, where there is an error among the findings.
    """
    versions, findings = examine(options)
    together = report.cure_together(findings, versions)
    if options.json:
        about = {
            "paddle_electra": __version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "packages": versions,
        }
        text = report.as_json(findings, together, **about)
    else:
        text = report.as_text(findings, together)
    # What a broken environment has in its paths and messages need not fit the terminal's encoding.
    print(text.encode("utf-8", "replace").decode("utf-8"), flush=True)
    if any(finding.level == ERROR for finding in findings):
        raise SystemExit(1)


def examine(options):
    """({package: version}, list of `Finding`)."""
    requirements, python_range = packages.find_requirements()
    versions = packages.find_versions(requirements)
    trials = _try_imports(options)
    gpus, problem = gpu.find_gpus()
    wheel = gpu.wheel_of(trials.get("paddle"))
    with_hub = bool(versions["paddlehub"]) or importlib.util.find_spec("paddlehub") is not None
    python = platform.python_version()
    checks = {
        "packages": lambda: packages.check(
            versions, requirements, python, python_range, trials, packages.find_unmet()
        ),
        "GPU": lambda: gpu.check(gpus, wheel, problem),
        "machine": lambda: machine.check(bool(gpus) and (wheel is None or bool(wheel.cuda))),
        "modules": lambda: modules.check(with_hub),
    }
    return versions, [finding for topic, look in checks.items() for finding in _safe(topic, look)]


def _try_imports(options):
    if not options.imports:
        return {}
    # Seconds long: into a pipe or a file (`disable=None`) not even a line.
    with progress_bar("imports", imports.STEPS, unit="process", leave=False, disable=None) as bar:
        return imports.try_all(options.import_timeout, bar.update)


def _safe(topic, look):
    """A check must not end the others, whatever it comes upon."""
    try:
        return look()
    except Exception as error:
        what = f"this check failed itself: {type(error).__name__}: {error}"
        return [Finding(WARNING, topic, what, "report it, with this line")]

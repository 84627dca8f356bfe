"""One step of `hub_sizes`, in a process without paddle_electra; prints its result as JSON."""

import json
import os
import resource
import sys
import time


def hub_command(*arguments):
    from paddlehub.commands.utils import execute

    sys.argv = ["hub", *arguments]
    return execute()


def install(folder):
    import paddlehub  # noqa: F401  (its import is not the installation's)

    start = time.monotonic()
    if hub_command("install", folder):
        raise SystemExit(f"hub install {folder} failed")
    return {"seconds": time.monotonic() - start}


def uninstall(name):
    import paddlehub

    status = hub_command("uninstall", name)
    home = os.path.join(paddlehub.env.MODULE_HOME, name.replace("-", "_"))
    return {"gone": status == 0 and not os.path.exists(home)}


def serve(name, port):
    return hub_command("serving", "start", "-m", name, "-p", port)


def ours(name, text):
    import paddlehub as hub

    try:
        import paddle_electra  # noqa: F401
    except ModuleNotFoundError:
        pass
    else:
        raise SystemExit("paddle_electra can be imported here")
    found = answers(lambda: hub.Module(name=name), text)
    found["engine"] = found.pop("module").predictor.engine("encoder").name
    return found


def published(folder, text):
    """The same of a module as the published ones are."""
    import paddlehub as hub

    found = answers(lambda: hub.Module(directory=folder), text)
    del found["module"]
    return found


def answers(load, text):
    start = time.monotonic()
    module = load()
    loaded = time.monotonic()
    (vectors,) = module.get_embedding([[text]])
    answered = time.monotonic()
    module.get_embedding([[text]])
    done = time.monotonic()
    assert len(vectors) >= 2
    return {
        "load": loaded - start,
        "first_answer": answered - start,
        "second_answer": done - answered,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "module": module,
    }


if __name__ == "__main__":
    actions = {call.__name__: call for call in (install, uninstall, serve, ours, published)}
    outcome = actions[sys.argv[1]](*sys.argv[2:])
    print(json.dumps(outcome))

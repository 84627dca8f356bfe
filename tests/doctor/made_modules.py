"""PaddleHub modules without weights, which end the process that runs them."""

from paddle_electra.hub import manifest, rendering
from paddle_electra.hub.carried import RUNTIME

MODULE = """
raise SystemExit("it was run")
from paddlehub.module.module import moduleinfo
@moduleinfo(name="{name}", version="{version}", author="{author}", type="nlp/semantic_model")
class Electra:
    pass
"""


def make(root, name, version="1.0.0", author=rendering.AUTHOR, built=True):
    folder = root / name.replace("-", "_")
    (folder / "assets").mkdir(parents=True)
    (folder / "module.py").write_text(MODULE.format(name=name, version=version, author=author))
    if built:
        (folder / RUNTIME).mkdir()
        (folder / RUNTIME / "files.py").write_text("")
        (folder / "assets" / "vocab.txt").write_text("[PAD]\n")
        manifest.write(folder, name=name, version=version, paddle_electra="0.1.0")
    return folder

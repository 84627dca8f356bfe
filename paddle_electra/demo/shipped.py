"""What the model that comes with the package does at once, and after a short fine-tuning."""

from pathlib import Path

from ..checkpoint import shipped
from ..wording import extra
from . import module
from .stages import SAMPLE, quote, stage, title

MODEL, SENTIMENT = module.NAME, f"{module.NAME}-sentiment"
MASKED = ["公民有依照[MASK]律纳税的义务。", "国务院有关部门应当加强监督管[MASK]。"]
MISTYPED = ["用人单位应当按照劳动合同约定和国家规定，向劳动者及时足额支付劳动抱酬。"]
FINETUNING = "--max-seq-length 64 --num-train-epochs 3"
HUB_MODULES = Path(__file__).resolve().parents[2] / "hub_modules"
END = f"""\
The model is small; what it can and cannot do is in its card, paddle_electra/assets/tiny.

  your own labels  paddle-electra finetune --task custom --kind seq-cls --train MY_TRAIN.tsv \\
                       --dev MY_DEV.tsv --model {MODEL} --output my/finetuned
  answers          paddle-electra predict --model my/finetuned --input MY_TEXTS.txt
  a module         paddle-electra module build --model my/finetuned --name my-electra
  in the browser   paddle-electra serve --model {MODEL} --page
  from raw text    paddle-electra demo --pipeline

paddle-electra COMMAND --help lists every option."""


def is_there():
    """Does this copy of the package have the weights?"""
    return shipped.folder_of(MODEL) is not None


def run(root):
    """Run the stages in a folder.  Returns what to say at the end."""
    texts = {"masked": MASKED, "mistyped": MISTYPED, "reviews": module.TEXTS}
    paths = {name: quote(root / name) for name in ("finetuned", "modules", "hub")}
    for name, lines in texts.items():
        path = root / f"{name}.txt"
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        paths[name] = quote(path)
    stage(
        "1/6 the generator guesses masked tokens",
        f"fill-mask --model {MODEL} --input {paths['masked']} --top-k 3",
    )
    stage(
        "2/6 the discriminator finds a character that does not fit",
        f"detect --model {MODEL} --input {paths['mistyped']} --threshold 0.5",
    )
    stage(
        "3/6 a trained head: positive or negative",
        f"predict --model {SENTIMENT} --input {paths['reviews']} --return-prob",
    )
    stage(
        "4/6 fine-tuning on reviews of one's own",
        f"finetune --task chnsenticorp --model {MODEL} --data {quote(SAMPLE / 'reviews')} "
        f"--output {paths['finetuned']} {FINETUNING}",
        made=paths["finetuned"],
    )
    if not module.have_paddlehub():
        title(f"5/6 and 6/6 need PaddleHub: {extra('hub')}")
        return END
    folder = HUB_MODULES / module.NAME.replace("-", "_")
    if not folder.is_dir():  # installed without the clone
        stage(
            "the PaddleHub module",
            f"module build --model {MODEL} --name {MODEL} --output {paths['modules']}",
        )
        folder = root / "modules" / folder.name
    module.use(folder, root / "hub", ("5/6", "6/6"), {"task": "seq-cls"}, {"task": "seq-cls"})
    return END

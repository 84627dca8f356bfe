"""The whole pipeline on the packaged sample, from text to HTTP answers."""

from ..files import write_json
from ..wording import extra
from . import module
from .stages import SAMPLE, quote, stage, title

# Sizes for a demonstration of a few minutes on two cores; nothing else is special about them.
VOCABULARY = "--vocab-size 3000 --min-frequency 1"
LENGTH = "--max-seq-length 64"
PRETRAINING = {
    "model_size": "tiny",
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "embedding_size": 64,
    "num_attention_heads": 2,
    "generator_hidden_size": 64,
    "learning_rate": 2e-3,
    "train_batch_size": 32,
    "num_train_steps": 300,
    "num_warmup_steps": 30,
    "eval_every": 100,
    "log_every": 25,
}
FINETUNING = "--num-train-epochs 10 --learning-rate 1e-3"


LABELS = {"0": "negative", "1": "positive"}
END = """\
A model this small, trained this briefly, shows that the pipeline runs, not what ELECTRA can do.
The same on your own text (one paragraph a line, a blank line between documents):

  paddle-electra vocab      --input MY_TEXTS --output my/vocab.txt
  paddle-electra data build --input MY_TEXTS --vocab my/vocab.txt --output my/shards
  paddle-electra pretrain   --model-size tiny --num-train-steps 10000 --train-batch-size 32 \\
                            --data my/shards --output my/pretrained
  paddle-electra finetune   --task chnsenticorp --model my/pretrained --data MY_REVIEWS \\
                            --output my/finetuned
  paddle-electra module build --model my/finetuned --name my-electra --output my/modules
  hub install my/modules/my_electra && hub serving start -m my-electra

paddle-electra COMMAND --help lists every option."""


def run(root):
    """Run the stages in a folder.  Returns what to say at the end."""
    paths = {
        name: quote(root / name)
        for name in ("vocab.txt", "shards", "pretrained", "finetuned", "modules", "hub")
    }
    corpus, reviews = SAMPLE / "corpus", SAMPLE / "reviews"
    stage(
        "1/7 vocabulary: learned from the sample corpus",
        f"vocab --input {quote(corpus)} --output {paths['vocab.txt']} {VOCABULARY}",
        made=paths["vocab.txt"],
    )
    stage(
        "2/7 shards: sentences to token ids",
        f"data build --input {quote(corpus)} --vocab {paths['vocab.txt']} "
        f"--output {paths['shards']} {LENGTH}",
        made=paths["shards"],
    )
    write_json(root / "pretraining.json", PRETRAINING)
    stage(
        "3/7 pretraining: generator and discriminator from random weights",
        f"pretrain --hparams {quote(root / 'pretraining.json')} --data {paths['shards']} "
        f"--output {paths['pretrained']}",
        made=paths["pretrained"],
    )
    _report_losses(root / "pretrained")
    stage(
        "4/7 fine-tuning: positive or negative reviews",
        f"finetune --task chnsenticorp --model {paths['pretrained']} --data {quote(reviews)} "
        f"--output {paths['finetuned']} {LENGTH} {FINETUNING}",
        made=paths["finetuned"],
    )
    stage(
        "5/7 PaddleHub module",
        f"module build --model {paths['finetuned']} --name {module.NAME} "
        f"--output {paths['modules']}",
        made=paths["modules"],
    )
    if module.have_paddlehub():
        folder = root / "modules" / module.NAME.replace("-", "_")
        asked = {"task": "seq-cls", "label_map": LABELS}
        module.use(folder, root / "hub", ("6/7", "7/7"), asked, {})
    else:
        title(f"6/7 and 7/7 need PaddleHub: {extra('hub')}")
    return END


def _report_losses(run_folder):
    from ..training.log import read_log

    lines = [entry for entry in read_log(run_folder / "log.jsonl") if entry["kind"] == "train"]
    first, last = lines[0], lines[-1]
    for name in ("loss", "mlm_loss", "discriminator_loss"):
        print(f"    {name}: {first[name]:.3f} at first, {last[name]:.3f} at the end")

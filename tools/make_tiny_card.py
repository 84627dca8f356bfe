"""The model card of chinese-electra-tiny, written by make_tiny.py."""

import datetime
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from record import processor, versions  # noqa: E402

from paddle_electra.checkpoint import native  # noqa: E402
from paddle_electra.files import sha256  # noqa: E402
from paddle_electra.finetuning.readers import read_texts  # noqa: E402
from paddle_electra.finetuning.tasks import TASKS  # noqa: E402
from paddle_electra.inference.predictor import Predictor  # noqa: E402

CARD, LOG = "MODEL_CARD.md", "log.jsonl"
CORPORA = {
    "laws_zh.txt": "statutes of China, which have no copyright there (Copyright Law, art. 5)",
    "cmrc2018_wiki_contexts_simp.txt": "Wikipedia paragraphs, those of CMRC 2018; CC BY-SA 4.0",
    "drcd_wiki_contexts_trad.txt": "Wikipedia paragraphs, those of DRCD; CC BY-SA 3.0",
    "pingcap_docs_cn.txt": "documentation of PingCAP; CC BY-SA 3.0",
    "oiwiki_zh.txt": "OI Wiki; CC BY-SA 4.0",
}
METRICS = ("mlm_loss", "mlm_accuracy", "discriminator_loss", "rtd_accuracy", "rtd_auc")
REVIEW_LABELS = {"0": "negative", "1": "positive"}

TEXT = """\
# chinese-electra-tiny

Generator and discriminator of an ELECTRA for Chinese text, small enough to come with the package:
`--model chinese-electra-tiny` in every command, `hub install hub_modules/chinese_electra_tiny` for
PaddleHub. Trained by paddle-electra with tools/make_tiny.py; this card is written by that script.
{unfinished}
- sizes: discriminator {layers} layers of {hidden}, {heads} heads; generator {layers} layers of
  {generator}; embeddings {embedding}, shared; vocabulary {vocabulary}, learned from the same text;
  positions up to {positions} tokens; weights in float16
- pretraining: {steps:,} of {total:,} updates, {tokens:.1f} million tokens, {hours:.1f} hours of
  wall time beside other work on {processor}, two processes of one thread
  ({versions})
- made: {date}

It knows the language of statutes, of an encyclopedia and of technical documents, little of how
people talk, and nothing of what happened in the world. It is for trying things, for teaching, and
for text like its own. Reviews of hotels and books are not: fine-tuned on 500 of them it was no
better than random weights of its size (benchmarks/results/2026-11-30-epyc2-proof-tiny-part.md).
Released models of HFL are far better and are used in the same way.

## Texts

| file | bytes | SHA-256 | terms |
|---|---|---|---|
{corpora}

The questions and answers of CMRC 2018, DRCD and ChnSentiCorp were not used. The Wikipedia
paragraphs are those of CMRC 2018's training questions (none of its development set's) and of DRCD
(over half of its development set's). The weights are offered under Apache-2.0, as the code; the
texts keep their terms.

## Recipe

```
python tools/make_tiny.py --corpora CORPORA --work runs/tiny
```

From the corpora to these files, resumable; the settings of the pretraining are
configs/pretraining/chinese-electra-tiny.json: {short:,} updates on examples of up to 128 tokens of
all texts, then on examples of up to 512 of all but the statutes. `--first-steps 200` makes the
beginning again and compares its losses with `log.jsonl`, the run's own log.

## Held-out text

512 examples of the stage's texts, never trained on. The discriminator's AUC is 0.5 for chance.

| step | {metrics} |
|---|{rule}|
{evaluations}

## The head for reviews

`chinese-electra-tiny-sentiment`, or `hub.Module(name="chinese-electra-tiny", task="seq-cls")`: the
discriminator fine-tuned on {head_examples} made-up reviews that come with the package
(paddle_electra/assets/sample/sentiment), classes negative and positive.

| texts | accuracy |
|---|---|
{head}

## Files

| file | bytes | SHA-256 |
|---|---|---|
{files}
"""


def card(folder, step, settings, log, corpora, head, reviews):
    """The card's text.

    Args:
        folder: of the weights, complete but for the card.
        step, settings, log: of the pretraining: the published step, its options, log entries.
        corpora: folder of the texts.
        head: ``results.json`` of the head's fine-tuning.
        reviews: folder of ChnSentiCorp, or None.
    """
    config = native.load(folder).config
    total = settings["num_train_steps"]
    trained = [entry for entry in log if entry["kind"] == "train"][-1]
    evaluations = [entry for entry in log if entry["kind"] == "eval"]
    texts = [(corpora / name, terms) for name, terms in CORPORA.items()]
    shown = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    rows = [f"| the sample's dev file | {head['dev']['accuracy']:.1f} |"]
    rows += [f"| ChnSentiCorp {split} | {share:.1f} |" for split, share in _scores(folder, reviews)]
    return TEXT.format(
        unfinished=f"\n**Interim: {step:,} of {total:,} updates; the run goes on.**\n"
        if step < total
        else "",
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        heads=config.num_attention_heads,
        generator=config.generator_hidden_size,
        embedding=config.embedding_size,
        vocabulary=config.vocab_size,
        positions=config.max_position_embeddings,
        steps=step,
        total=total,
        tokens=trained["tokens_seen"] / 1e6,
        hours=trained["seconds_trained"] / 3600,
        processor=processor(),
        versions=versions(),
        date=datetime.date.today(),
        corpora="\n".join(_row(path.name, path, terms) for path, terms in texts),
        short=settings["long_data_from"],
        metrics=" | ".join(METRICS),
        rule="|".join(["---"] * len(METRICS)),
        evaluations="\n".join(
            f"| {entry['step']} | {' | '.join(f'{entry[name]:.3f}' for name in METRICS)} |"
            for entry in evaluations
        ),
        head_examples=head["train"]["examples"],
        head="\n".join(rows),
        files="\n".join(_row(path.relative_to(folder).as_posix(), path) for path in shown),
    )


def _row(name, path, *more):
    cells = name, f"{path.stat().st_size:,}", f"`{sha256(path)}`", *more
    return f"| {' | '.join(cells)} |"


def _scores(folder, reviews):
    """(split, accuracy in per cent) of the head on ChnSentiCorp."""
    if reviews is None:
        return
    predictor = Predictor.load(folder / native.HEADS / "seq-cls")
    for split in ("dev", "test"):
        examples = read_texts(reviews / f"{split}.tsv", TASKS["chnsenticorp"], split)
        labels = predictor.predict([example.text_a for example in examples])
        right = sum(
            label == REVIEW_LABELS[example.label]
            for label, example in zip(labels, examples, strict=True)
        )
        yield split, 100 * right / len(examples)

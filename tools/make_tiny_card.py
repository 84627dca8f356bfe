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

CARD, LOGS = "MODEL_CARD.md", ("log.jsonl", "log-2.jsonl", "log-3.jsonl")
CORPORA = {
    "laws_zh.txt": "statutes of China, which have no copyright there (Copyright Law, art. 5)",
    "cmrc2018_wiki_contexts_simp.txt": "Wikipedia paragraphs, those of CMRC 2018; CC BY-SA 4.0",
    "drcd_wiki_contexts_trad.txt": "Wikipedia paragraphs, those of DRCD; CC BY-SA 3.0",
    "pingcap_docs_cn.txt": "documentation of PingCAP; CC BY-SA 3.0",
    "oiwiki_zh.txt": "OI Wiki; CC BY-SA 4.0",
}
# Of each run the number of tokens in an example and the texts, before and after `long_data_from`.
MIXTURE = "all texts with an eighth of the statutes"
STAGES = (
    ((128, "all texts"), (512, "all but the statutes")),
    ((128, MIXTURE),),
    ((512, f"{MIXTURE}, the embeddings of positions 1 to 127 repeated for the later ones"),),
)
PROOF = (
    "benchmarks/results/2026-11-30-epyc2-proof-tiny.md, of all of ChnSentiCorp and CMRC 2018 in\n"
    "benchmarks/results/2026-12-01-epyc2-proof-tiny-chnsenticorp.md and -cmrc2018.md."
)
CLEAN = "benchmarks/results/2026-11-30-epyc2-tiny-pretraining-2.md."
METRICS = ("mlm_loss", "mlm_accuracy", "discriminator_loss", "rtd_accuracy", "rtd_auc")
REVIEW_LABELS = {"0": "negative", "1": "positive"}

TEXT = """\
# chinese-electra-tiny

Generator and discriminator of an ELECTRA for Chinese text, small enough to come with the package:
`--model chinese-electra-tiny` in every command, `hub install hub_modules/chinese_electra_tiny` for
PaddleHub. Trained by paddle-electra with tools/make_tiny.py; this card is written by that script.

- sizes: discriminator {layers} layers of {hidden}, {heads} heads; generator {layers} layers of
  {generator}; embeddings {embedding}, shared; vocabulary {vocabulary}, learned from the same text;
  positions up to {positions} tokens; weights in float16
- pretraining: {steps} updates, {tokens:.1f} million tokens, {hours:.1f} hours beside other work on
  {processor}, two processes of one thread
  ({versions})
- made: {date}

It knows the language of statutes, of an encyclopedia and of technical documents, little of how
people talk, and nothing of what happened in the world. It is for trying things, for teaching, and
for text like its own. Released models of HFL are far better and are used in the same way.
As a start for fine-tuning it was better than random weights of its size and than TF-IDF at telling
whether a passage answers a question; on 2,000 examples of XNLI no better than random weights and
worse than TF-IDF; on 500 reviews worse than both, on 9,600 no better than random weights; in
reading comprehension better than random weights, and of little use:
{proof}

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

From the corpora to these files, resumable. Three runs, each from the weights of the one before:

{runs}

The weights are seven tenths of the way from those before the third run to those after it, which
keeps more of what was learned on short texts. Then the word, position and segment embeddings were
made a quarter as large. That changes nothing in what the networks compute (a LayerNorm follows; the
generator's output makes up for it), but lets fine-tuning turn them as fast as random ones.
`--first-steps 200` makes the beginning again and compares its losses with `log.jsonl`, the first
run's own log.

## Held-out text

512 examples that the run was not trained on, of the texts of the stage. Where most of those are
statutes, which are easy to foresee, the numbers are better; stages are not to be compared. The
later runs' examples are new to them, but not to the first, which had most of the same texts. The
discriminator's AUC is 0.5 for chance. For paragraphs that no run has seen:
{clean}

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


def card(folder, runs, corpora, head, reviews):
    """The card's text.

    Args:
        folder: of the weights, complete but for the card.
        runs: (options, log entries) of each pretraining run.
        corpora: folder of the texts.
        head: ``results.json`` of the head's fine-tuning.
        reviews: folder of ChnSentiCorp, or None.
    """
    config = native.load(folder).config
    ends = [[entry for entry in log if entry["kind"] == "train"][-1] for _, log in runs]
    texts = [(corpora / name, terms) for name, terms in CORPORA.items()]
    shown = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    numbers = range(1, len(runs) + 1)
    rows = [f"| the sample's dev file | {head['dev']['accuracy']:.1f} |"]
    rows += [f"| ChnSentiCorp {split} | {share:.1f} |" for split, share in _scores(folder, reviews)]
    return TEXT.format(
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        heads=config.num_attention_heads,
        generator=config.generator_hidden_size,
        embedding=config.embedding_size,
        vocabulary=config.vocab_size,
        positions=config.max_position_embeddings,
        steps=" + ".join(f"{end['step']:,}" for end in ends),
        tokens=sum(end["tokens_seen"] for end in ends) / 1e6,
        hours=sum(end["seconds_trained"] for end in ends) / 3600,
        processor=processor(),
        versions=versions(),
        date=datetime.date.today(),
        proof=PROOF,
        clean=CLEAN,
        corpora="\n".join(_row(path.name, path, terms) for path, terms in texts),
        runs="\n".join(map(_describe, numbers, runs, STAGES)),
        evaluations="\n\n".join(map(_evaluations, numbers, runs)),
        head_examples=head["train"]["examples"],
        head="\n".join(rows),
        files="\n".join(_row(path.relative_to(folder).as_posix(), path) for path in shown),
    )


def _describe(number, run, stages):
    options, _ = run
    total = options["num_train_steps"]
    ends = [total] if len(stages) == 1 else [options["long_data_from"], total]
    parts, before = [], 0
    for end, (length, texts) in zip(ends, stages, strict=True):
        parts.append(f"{end - before:,} updates on examples of up to {length} tokens of {texts}")
        before = end
    return f"{number}. {'; then '.join(parts)}"


def _evaluations(number, run):
    lines = [f"| run {number}, step | {' | '.join(METRICS)} |"]
    lines += [f"|{'---|' * (len(METRICS) + 1)}"]
    lines += [
        f"| {entry['step']} | {' | '.join(f'{entry[name]:.3f}' for name in METRICS)} |"
        for entry in run[1]
        if entry["kind"] == "eval"
    ]
    return "\n".join(lines)


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

"""The texts of a module: of those that `module build` makes and of those in ``hub_modules``."""

MODULE = '''\
"""PaddleHub module {name}; {origin}."""

import sys
from pathlib import Path

{imports}from paddlehub.module.module import moduleinfo
{complete}
if Path(__file__).with_name("{runtime}").is_dir():
    from .{runtime}.hub.module import ElectraModule
else:
    HOW = """{name} has no weights here. Two commands make and install it:
    {first}
    hub install {built}"""
    if sys.argv[1:2] == ["install"]:
        raise SystemExit(HOW)

    class ElectraModule:
        def __init__(self, *arguments, **named):
            raise RuntimeError(HOW)


@moduleinfo(
    name={quoted[name]},
    version={quoted[version]},
    author={quoted[author]},
    author_email={quoted[author_email]},
    summary={quoted[summary]},
    type="nlp/semantic_model",
)
class Electra(ElectraModule):
    """Arguments and methods are those of PaddleHub's ELECTRA modules 2.0.2, and more."""
'''

# For weights that come with the package, which an installed copy of the folder takes from there.
COMPLETE_IMPORTS = "from paddlehub.env import MODULE_HOME\n"
COMPLETE = """
HERE = Path(__file__).parent
if not (HERE / "{runtime}").is_dir() and HERE.parent.resolve() == Path(MODULE_HOME).resolve():
    try:
        from paddle_electra.hub.packaging import complete
    except ModuleNotFoundError:
        pass
    else:
        complete(HERE, {quoted[name]})
"""

INIT = '"""PaddleHub module {name}."""\n'

README = """\
# {name}

| Module Name | {name} |
| :--- | :---: |
| Category | text - semantic model |
| Network | ELECTRA, {shape} |
| Dataset | {dataset} |
| Fine-tuning supported or not | Yes |
| Module Size | {size} |
| Version | {version} |
| Trained head | {head} |

## I. Basic Information

{summary}.

The arguments and methods are those of PaddleHub's published ELECTRA modules 2.0.2, and what
`hub.Trainer` saved from those loads here. Everything is in the folder: weights, vocabulary, code
and their SHA-256 sums, which are checked whenever the module is loaded. Nothing is fetched from the
network, and no pickle is executed.

## II. Installation

- Environment: paddlepaddle >= 2.6, paddlehub >= 2.4, and what `requirements.txt` lists.
{install}
- `hub install` runs the code of what it installs, and unpacks an archive without looking at the
  names in it: install only what you trust, and look at an archive with
  `paddle-electra validate ARCHIVE` first.

## III. Prediction

```python
import paddlehub as hub

data = [["这个宾馆比较陈旧了"], ["房间很整洁，相当不错"]]
{loaded}
labels, probabilities = model.predict(data, max_seq_len=50, return_prob=True)

model = hub.Module(name="{name}")
pooled, tokens = model.get_embedding([["今天天气真好"]])[0]
```

- `hub.Module(name, task=None, load_checkpoint=None, label_map=None, num_classes=None,
  suffix=False)`
  - `task`: `seq-cls` (old name `sequence_classification`), `pair-cls` (two texts in one pass),
    `token-cls`, `text-matching` (two texts, each in a pass of its own), `qa`, or `None` for
    embeddings.
  - `load_checkpoint`: a folder that `paddle-electra finetune` wrote, or the `model.pdparams` that
    `hub.Trainer` saved from this module or from a published one of the same size.
  - `label_map`: class number -> label, `{{0: "negative", 1: "positive"}}`; by default the labels
    of the trained head, else the numbers. {head_note}
  - `num_classes`: classes of a new head, if there is no `label_map`; 2 by default.
  - `suffix`: for `token-cls`: labels end in `-B`, `-I`, `-E`, `-S`.
- `predict(data, max_seq_len=None, split_char="\\002", batch_size=None, use_gpu=False,
  return_prob=False)`: `data` is a list of `[text]` or `[text, second text]`; for `qa` of
  `[question, text]`; for `token-cls` of texts whose tokens are joined by `split_char`. Longer texts
  are cut to `max_seq_len` tokens. The answer is a label a text; for `token-cls` a list a text: the
  label of [CLS], one label a token, that of [SEP]; with `return_prob` (labels, probabilities).
- `get_embedding(data, use_gpu=False)`: of each text `[pooled, tokens]`: the state of [CLS], and one
  vector a token, [CLS] and [SEP] included.
- `get_tokenizer()`: a tokenizer for PaddleHub's data sets.
- `fill_mask(texts, top_k=5)`, `detect(texts, threshold=0.5, top_k=3)`: guesses for [MASK], and how
  likely each character replaces another. They need a pretrained module, with its generator.
- `answer(questions, n_best=5)`, `tag(texts)`: answers and entities with their places, for heads of
  `paddle-electra finetune`.

Fine-tuning is that of PaddleHub's documentation:

```python
model = hub.Module(name="{name}", task="seq-cls", num_classes=2)
train = hub.datasets.ChnSentiCorp(tokenizer=model.get_tokenizer(), max_seq_len=128, mode="train")
optimizer = paddle.optimizer.AdamW(learning_rate=5e-5, parameters=model.parameters())
trainer = hub.Trainer(model, optimizer, checkpoint_dir="ckpt", use_gpu=False)
trainer.train(train, epochs=3, batch_size=32, save_interval=1)
```

## IV. Server Deployment

```shell
hub serving start -m {name} -p 8866
curl -H "Content-Type: application/json" -d '{{"data": [["今天天气真好"]]}}' \\
    http://127.0.0.1:8866/predict/{name}
```

The request may also hold `task`: the module's own, `"embedding"`, of a pretrained module
`"fill-mask"` and `"detect"`, of a tagger `"tag"`; and `max_seq_len`, `return_prob` (labels),
`top_k` (`fill-mask`, `detect`), `threshold` (`detect`), `n_best` (`qa`). Without `task` the answer
is {served}. The reply is
`{{"status": "000", "msg": "", "results": [...]}}`; a mistake in the request gives a status other
than `"000"` and says in `msg` which field is wrong. `GET /health/{name}` says how the
server is, and shows its limits; `/gradio/{name}` is a page for the browser.

Requests that arrive together are answered in one batch. Limits are set by environment variables,
such as `ELECTRA_SERVING_MAX_ITEMS=100`; the health answer lists them all.

`hub serving` listens on all network interfaces unless `ELECTRA_SERVING_HOST` names an address
(`127.0.0.1`), and asks nobody for a password: put it behind something that does.

## V. Release Note

{changes}
"""

LOADED = """\
model = hub.Module(
    name="{name}",
    task="seq-cls",
    load_checkpoint="/path/to/best_model/model.pdparams",
    label_map={{0: "negative", 1: "positive"}},
)"""
WITH_HEAD = 'model = hub.Module(name="{name}", task="{kind}")'

FROM_WEIGHTS = """\
- From weights (a zip of HFL's, or a folder of any format that `paddle-electra convert` reads) to an
  installed module:

  ```shell
  paddle-electra module build --model {weights} --name {name}
  hub install dist/{folder}
  ```

  `dist/{folder}.tar.gz` is the same in one file."""

CARD = "said, with its scores, in paddle_electra/assets/tiny/MODEL_CARD.md"
FROM_CLONE = """\
- The weights come with paddle-electra. In a clone of it that is installed (`make`, or
  `pip install -e .`):

  ```shell
  hub install hub_modules/{folder}
  ```

  `paddle-electra module build --model {name} --name {name}` makes a folder and an archive
  for machines without paddle-electra."""

# What changed in the code of modules, by the version that `module build` gives by default.
CHANGES = {
    "1.0.0": "First release: the tasks of PaddleHub's ELECTRA modules 2.0.2 and their checkpoints, "
    "and `pair-cls`, `qa`, `fill_mask` and `detect`.",
}
OWN_VERSION = "Built with another version number, from weights or a head of its maker."

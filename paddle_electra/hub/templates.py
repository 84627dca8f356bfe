"""The texts of a generated module."""

MODULE = '''\
"""PaddleHub module {name}; made by `paddle-electra module build`."""

from paddlehub.module.module import moduleinfo

from .{runtime}.hub.module import ElectraModule


@moduleinfo(
    name={name!r},
    version={version!r},
    author={author!r},
    author_email={author_email!r},
    summary={summary!r},
    type="nlp/semantic_model",
)
class Electra(ElectraModule):
    """{name}: the arguments are those of `ElectraModule`."""

    def __init__(
        self,
        task=None,
        load_checkpoint=None,
        label_map=None,
        num_classes=2,
        suffix=False,
        **kwargs,
    ):
        # moduleinfo may replace this class by a subclass, so super() needs the names.
        super(Electra, self).__init__(
            task, load_checkpoint, label_map, num_classes, suffix, **kwargs
        )
'''

README = """\
# {name}

{summary}

| | |
|---|---|
| version | {version} |
| layers, hidden size, heads | {layers}, {hidden}, {heads} |
| vocabulary | {vocab} tokens |
| longest input | {length} tokens |
| trained head | {head} |

## Install

```
hub install {folder}          # this folder, or {folder}.tar.gz
```

Weights, vocabulary and code are in the folder; only Python packages of `requirements.txt` that
are not there yet are fetched. `manifest.json` holds the SHA-256 sums of the files, which are
checked whenever the module is loaded.

## Use

```python
import paddlehub as hub

model = hub.Module(name="{name}", task="seq-cls"{label_map})
labels, probabilities = model.predict([["今天天气真好"], ["太失望了"]], return_prob=True)

model = hub.Module(name="{name}")
pooled, tokens = model.get_embedding([["今天天气真好"]])[0]
```

- `hub.Module(name, task=None, load_checkpoint=None, label_map=None, num_classes=2)`: `task` is
  `"seq-cls"`, or `None` for embeddings. `load_checkpoint` is a directory written by
  `paddle-electra finetune`, or the `discriminator.safetensors` in one, of the same size and
  vocabulary as this module. `label_map` is a dict such as `{{0: "negative", 1: "positive"}}`.
  {head_note}
- `predict(data, max_seq_len=None, batch_size=1, use_gpu=False, return_prob=False)`: `data` is a
  list of `[text]` or `[text, second text]`. Longer texts are cut to `max_seq_len` tokens.
- `get_embedding(data, use_gpu=False)`: for each text `[pooled, tokens]`, where `pooled` is the
  hidden state of [CLS] and `tokens` one vector per token, [CLS] and [SEP] included.
- `get_tokenizer()`: the tokenizer.

## Serve

```
hub serving start -m {name} -p 8866
curl -H "Content-Type: application/json" -d '{{"data": [["今天天气真好"]]}}' \\
    http://127.0.0.1:8866/predict/{name}
```

The request may also hold `task` (`"seq-cls"` or `"embedding"`), `max_seq_len`, `batch_size`,
`use_gpu` and `return_prob`. Without `task` the answer is {served}. The reply is
`{{"status": "000", "msg": "", "results": [...]}}`; a mistake in the request gives a status other
than `"000"` and says in `msg` which field is wrong.

`hub serving` listens on all network interfaces and asks nobody for a password: put it behind
something that does.
"""

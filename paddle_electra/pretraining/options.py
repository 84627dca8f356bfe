"""Options of the pretraining command; no paddle here, so that --help is quick."""

import dataclasses
from typing import ClassVar

from ..config import option, seed_option
from ..errors import InputError
from ..modeling.config import SIZES
from .original_keys import ALIASES, NO_EFFECT, REFUSED


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainOptions:
    """Options of ``paddle-electra pretrain``; hyperparameters have Google's names and defaults."""

    ALIASES: ClassVar = ALIASES
    NO_EFFECT: ClassVar = NO_EFFECT
    REFUSED: ClassVar = {**REFUSED, "vocab": (None, "the vocabulary is that of the --data shards")}

    data: str = option(help="folder of shards made by `paddle-electra data build`")
    output: str = option(help="folder of the run; an unfinished run there is continued")
    hparams: str | None = option(None, "JSON file, or JSON text, of any of these options")

    init_from: str | None = option(
        None,
        "start from the weights of this model, of any format, its optimizer state left aside; a "
        "discriminator alone gets a fresh generator",
    )
    model_size: str | None = option(
        None, "sizes of both networks; none: those of --init-from, else small", tuple(SIZES)
    )
    embedding_size: int | None = option(None, "instead of the size's own", least=1)
    hidden_size: int | None = option(None, "instead of the size's own", least=1)
    num_hidden_layers: int | None = option(
        None, "instead of the size's own; of both networks", least=1
    )
    num_attention_heads: int | None = option(None, "instead of the size's own", least=1)
    generator_hidden_size: float | None = option(
        None,
        "instead of the size's own: units, or at most 1 for a share of the discriminator's",
        least=0,
    )
    generator_layers: float = option(1.0, "layers, as a share of the discriminator's", least=0)
    model_hparam_overrides: dict | None = option(  # noqa: RUF009
        None, "further sizes and rates of config.json by their names there"
    )
    vocab_size: int | None = option(None, "checked against the shards' vocabulary", least=1)
    do_lower_case: bool | None = option(None, "checked against the shards")
    max_seq_length: int | None = option(None, "checked against the shards", least=1)

    electra_objective: bool = option(True, "off: train a plain masked language model")
    gen_weight: float = option(1.0, "weight of the generator's loss")
    disc_weight: float = option(50.0, "weight of the discriminator's loss")
    untied_generator: bool = option(
        True, "off: generator and discriminator are one encoder with two heads"
    )
    untied_generator_embeddings: bool = option(False, "the generator has embeddings of its own")
    uniform_generator: bool = option(False, "draw replacements with equal chances, no generator")
    temperature: float = option(1.0, "divides the logits that the generator samples from")
    disallow_correct: bool = option(False, "the generator never draws the original token")
    mask_prob: float = option(0.15, "share of tokens the generator must guess")
    masking: str = option(
        "unique",
        "draw positions without replacement, or as the original with",
        ("unique", "google"),
    )
    mask_whole_words: bool = option(
        False, "mask whole words; needs shards that know them (data build --segmenter)"
    )

    learning_rate: float | None = option(
        None,
        "peak learning rate; none: by size, 2e-4 for widths from 512 on, else 5e-4, and a quarter "
        "of it with --init-from",
    )
    lr_decay_power: float = option(1.0, "of the rate's decay to 0; 1 is linear")
    num_train_steps: int = option(1_000_000, "optimizer updates of the whole run")
    num_warmup_steps: int | None = option(
        None, "updates over which the rate rises; none: 10000, or a tenth of all where that is less"
    )
    train_batch_size: int = option(128, "examples an update, over all processes and parts")
    gradient_accumulation_steps: int = option(1, "parts each process computes its share in")
    weight_decay_rate: float = option(0.01, "decoupled weight decay")
    max_gradient_norm: float = option(1.0, "gradients are scaled down to this global norm")
    hidden_dropout_prob: float = option(0.1, "dropout on hidden states")
    attention_probs_dropout_prob: float = option(0.1, "dropout on attention weights")
    seed: int = seed_option(42, "of weights, order, masks, samples and dropout")

    long_data: str | None = option(
        None, "shards of longer examples for the last part of the run, of the same vocabulary"
    )
    long_data_from: int | None = option(
        None, "the update from which --long-data is used; none: nine tenths of all", least=1
    )
    long_train_batch_size: int | None = option(
        None, "examples an update from then on; none: as many tokens as before", least=1
    )

    do_train: bool = option(True, "train; off: only evaluate the newest checkpoint")
    do_eval: bool = option(True, "evaluate on held-out examples")
    eval_examples: int = option(512, "examples held out for evaluation (at most a tenth of all)")
    eval_every: int = option(1000, "updates between evaluations; 0 for only at the end")
    eval_batch_size: int = option(64, "examples a batch in evaluation")
    probe: dict | None = option(  # noqa: RUF009
        None,
        "fine-tune the discriminator in between and log its score: options of finetune, such as "
        '{"task": "chnsenticorp", "data": "DIR"}',
    )
    probe_every: int = option(10_000, "updates between probes; also at the start and the end")
    log_every: int = option(50, "updates between lines of the log, which are means over them")
    save_checkpoints_steps: int = option(1000, "updates between checkpoints")
    save_checkpoints_minutes: float = option(5.0, "minutes between checkpoints, whichever is first")
    keep_checkpoint_max: int | None = option(
        3, "checkpoints to keep (also: --keep-checkpoints); 0 or null keeps all"
    )

    precision: str = option(
        "float32",
        "of matrix products, on a GPU; bf16 needs no care, fp16 scales the loss",
        ("float32", "bf16", "fp16"),
    )
    amp_level: str = option("O1", "O2 also keeps the weights in half precision", ("O1", "O2"))
    recompute: bool = option(
        False, "keep less for the backward pass: a third more work, much less memory"
    )
    layout: str = option(
        "auto",
        "how examples of different lengths lie in a batch; auto: unpadded on a GPU, packed on a "
        "CPU",
        ("auto", "padded", "packed", "unpadded"),
    )
    attention: str = option(
        "auto",
        "attention code: eager on a CPU and sdpa on a GPU, or one of them",
        ("auto", "eager", "sdpa"),
    )
    peak_tflops: float | None = option(
        None, "of one device, for the utilisation; none: measured at the start", least=0
    )
    device: str = option("auto", "cpu, gpu, gpu:1, ...; auto takes a GPU if paddle has one")
    visualdl: bool = option(True, "write VisualDL scalars to OUTPUT/visualdl")
    dry_run: bool = option(
        False, "build everything, time one forward and backward pass, write nothing"
    )

    def __post_init__(self):
        # Settled here so that the settings saved beside a run state the numbers.
        settle = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731
        if self.init_from is None and self.model_size is None:
            settle("model_size", "small")
        if self.num_warmup_steps is None:
            settle("num_warmup_steps", min(10_000, self.num_train_steps // 10))
        if self.long_data is not None and self.long_data_from is None:
            settle("long_data_from", self.num_train_steps * 9 // 10)
        if self.num_warmup_steps > self.num_train_steps >= 1:
            raise InputError(
                f"--num-warmup-steps {self.num_warmup_steps}: the rate would still be rising at "
                f"the last of {self.num_train_steps} --num-train-steps; give at most as many"
            )

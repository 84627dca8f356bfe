"""Options of the data and pretraining commands; no paddle here, so that --help is quick."""

import dataclasses

from ..config import option, seed_option
from ..errors import InputError
from ..modeling.config import SIZES


@dataclasses.dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """Options of ``paddle-electra data build``."""

    input: tuple[str, ...] = option(
        help="text files or folders of them: .txt, .gz, .jsonl, .jsonl.gz; UTF-8, a sentence or "
        "paragraph a line, a blank line between documents"
    )
    vocab: str = option(help="vocabulary file, one token a line")
    output: str = option(help="folder of the shards; an unfinished build there is continued")
    processes: int = option(0, "worker processes; 0 for one a core; the shards do not depend on it")
    max_seq_length: int = option(128, "longest example in tokens, [CLS] and [SEP] counted")
    segments: str = option(
        "google",
        "how lines are dealt to the two segments: as Google's code does, or as HFL's older fork.",
        ("google", "hfl"),
    )
    split_sentences: bool = option(True, "cut lines into sentences; off: lines stay as they are")
    do_lower_case: bool = option(True, "lower-case and strip accents, as the published models")
    text_key: str = option("text", "key of the text in the objects of .jsonl files")
    seed: int = seed_option(42, "of all that is random in the examples")
    overwrite: bool = option(False, "delete a build with other settings in the output folder")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PreviewOptions:
    """Options of ``paddle-electra data preview``."""

    data: str = option(help="folder of shards made by `paddle-electra data build`")
    number: int = option(5, "examples to print, drawn at random")
    seed: int = seed_option(42, "of the draw")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainOptions:
    """Options of ``paddle-electra pretrain``; hyperparameters have Google's names and defaults."""

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
    generator_hidden_size: int | None = option(None, "units, instead of the size's own", least=1)

    learning_rate: float | None = option(
        None, "peak learning rate; none: by size, 2e-4 for widths from 512 on, else 5e-4"
    )
    num_train_steps: int = option(1_000_000, "optimizer updates of the whole run")
    num_warmup_steps: int | None = option(
        None, "updates over which the rate rises; none: 10000, or a tenth of all where that is less"
    )
    train_batch_size: int = option(128, "examples an update")
    gradient_accumulation_steps: int = option(1, "parts an update's batch is computed in")
    weight_decay_rate: float = option(0.01, "decoupled weight decay")
    max_gradient_norm: float = option(1.0, "gradients are scaled down to this global norm")
    gen_weight: float = option(1.0, "weight of the generator's loss")
    disc_weight: float = option(50.0, "weight of the discriminator's loss")
    mask_prob: float = option(0.15, "share of tokens the generator must guess")
    masking: str = option(
        "unique",
        "draw positions without replacement, or as the original with",
        ("unique", "google"),
    )
    hidden_dropout_prob: float = option(0.1, "dropout on hidden states")
    attention_probs_dropout_prob: float = option(0.1, "dropout on attention weights")
    seed: int = seed_option(42, "of weights, order, masks, samples and dropout")

    eval_examples: int = option(512, "examples held out for evaluation (at most a tenth of all)")
    eval_every: int = option(1000, "updates between evaluations; 0 for only at the end")
    eval_batch_size: int = option(64, "examples a batch in evaluation")
    log_every: int = option(50, "updates between lines of the log, which are means over them")
    save_checkpoints_steps: int = option(1000, "updates between checkpoints")
    save_checkpoints_minutes: float = option(5.0, "minutes between checkpoints, whichever is first")
    keep_checkpoint_max: int = option(3, "checkpoints to keep")
    attention: str = option(
        "auto",
        "attention code: eager on a CPU and sdpa on a GPU, or one of them",
        ("auto", "eager", "sdpa"),
    )
    device: str = option("auto", "cpu, gpu, gpu:1, ...; auto takes a GPU if paddle has one")
    visualdl: bool = option(True, "write VisualDL scalars to OUTPUT/visualdl")
    dry_run: bool = option(
        False, "build everything, time one forward and backward pass, write nothing"
    )

    def __post_init__(self):
        # Settled here so that the settings saved beside a run state the numbers.
        if self.init_from is None and self.model_size is None:
            object.__setattr__(self, "model_size", "small")
        if self.num_warmup_steps is None:
            object.__setattr__(self, "num_warmup_steps", min(10_000, self.num_train_steps // 10))
        if self.num_warmup_steps > self.num_train_steps >= 1:
            raise InputError(
                f"--num-warmup-steps {self.num_warmup_steps}: the rate would still be rising at "
                f"the last of {self.num_train_steps} --num-train-steps; give at most as many"
            )

"""What becomes of the keys of the original's `PretrainingConfig` that are not options of ours."""

from ..original_keys import PLACES, TPU_KEYS

ALIASES = {"keep_checkpoints": "keep_checkpoint_max"}

NO_EFFECT = {
    **TPU_KEYS,
    "num_eval_steps": "evaluation is over all of eval_examples",
    "max_predictions_per_seq": "it follows from mask_prob and the shards' length",
}

REFUSED = {
    "electric_objective": (False, "it is of a later model, Electric"),
    "two_tower_generator": (False, "it is of a later model, Electric"),
    "debug": (False, "to try things out, use dry_run, or give small sizes and few num_train_steps"),
    "model_dir": (None, PLACES),
    "results_txt": (None, PLACES),
    "results_pkl": (None, PLACES),
    "data_dir": (None, "it is the flag --data-dir of run-pretraining, --data of pretrain"),
    "model_name": (None, "it is the flag --model-name of run-pretraining; --output of pretrain"),
    "pretrain_tfrecords": (
        None,
        "turn them into shards with `paddle-electra data from-tfrecords`, and give --data",
    ),
    "vocab_file": (None, "shards carry their vocabulary"),
}

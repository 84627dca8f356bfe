"""What becomes of the keys of the original's `PretrainingConfig` that are not options of ours."""

ALIASES = {"keep_checkpoints": "keep_checkpoint_max"}

_TPU = "there is no TPU here; the processor or GPU is found by itself"
NO_EFFECT = {
    "use_tpu": _TPU,
    "num_tpu_cores": _TPU,
    "tpu_job_name": _TPU,
    "tpu_name": _TPU,
    "tpu_zone": _TPU,
    "gcp_project": _TPU,
    "iterations_per_loop": _TPU,
    "num_eval_steps": "evaluation is over all of eval_examples",
    "max_predictions_per_seq": "it follows from mask_prob and the shards' length",
}

_PLACES = "every file of a run lies in its output folder"
REFUSED = {
    "electric_objective": (False, "it is of a later model, Electric"),
    "two_tower_generator": (False, "it is of a later model, Electric"),
    "debug": (False, "to try things out, use dry_run, or give small sizes and few num_train_steps"),
    "model_dir": (None, _PLACES),
    "results_txt": (None, _PLACES),
    "results_pkl": (None, _PLACES),
    "data_dir": (None, "it is the flag --data-dir of run-pretraining, --data of pretrain"),
    "model_name": (None, "it is the flag --model-name of run-pretraining; --output of pretrain"),
    "pretrain_tfrecords": (
        None,
        "turn them into shards with `paddle-electra data from-tfrecords`, and give --data",
    ),
    "vocab_file": (None, "shards carry their vocabulary"),
}

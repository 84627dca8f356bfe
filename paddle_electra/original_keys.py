"""What the configurations of the original's two programs have in common, and ours have not."""

_TPU = "there is no TPU here; the processor or GPU is found by itself"
TPU_KEYS = dict.fromkeys(
    (
        *("use_tpu", "num_tpu_cores", "tpu_job_name", "tpu_name", "tpu_zone", "gcp_project"),
        "iterations_per_loop",
    ),
    _TPU,
)
PLACES = "every file of a run lies in its output folder"

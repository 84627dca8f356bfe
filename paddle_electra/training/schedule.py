"""The learning rate of a step."""


def warmup_steps(total, warmup_proportion=0.0, warmup=0):
    """The original's W = max(total * warmup_proportion, warmup); a float, it may be fractional."""
    return max(total * warmup_proportion, warmup)


def learning_rate(step, peak, total, warmup=0.0, power=1.0):
    """peak * (1 - step / total)^power * min(1, step / warmup): PARITY 15, `create_optimizer`.

    The decay runs during the warm-up too, and the first update (step 0) has rate 0 when
    there is a warm-up.

    Args:
        step: number of updates already made.
        peak: the rate the two factors multiply.
        total: number of updates of the whole run.
        warmup: number of warm-up steps, may be fractional; 0 for none.
        power: of the decay; 1 is linear.
    """
    decayed = peak * (1.0 - min(step, total) / total) ** power
    return decayed * min(1.0, step / warmup) if warmup > 0 else decayed

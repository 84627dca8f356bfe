"""``paddle-electra demo``: the toolkit at work on what comes with it, each command printed."""

"""PaddleHub module chinese-electra-small-ex."""

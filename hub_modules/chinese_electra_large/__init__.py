"""PaddleHub module chinese-electra-large."""

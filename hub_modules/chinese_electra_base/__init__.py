"""PaddleHub module chinese-electra-base."""

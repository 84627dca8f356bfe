"""PaddleHub module chinese-electra-small."""

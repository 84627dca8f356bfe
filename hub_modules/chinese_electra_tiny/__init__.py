"""PaddleHub module chinese-electra-tiny."""

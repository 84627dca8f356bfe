"""The PaddleHub face: the only part that imports paddlehub."""

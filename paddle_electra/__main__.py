"""``python -m paddle_electra`` is ``paddle-electra``."""

from .cli import main

raise SystemExit(main())

"""Entry point of `python -m recsys_platform.cli`."""

import os
import sys

from recsys_platform.cli.commands import main

if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    sys.exit(main())

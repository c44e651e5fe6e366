"""``python -m forecast`` is the same as ``forecast``."""

import sys

from forecast.cli.main import main

sys.exit(main())

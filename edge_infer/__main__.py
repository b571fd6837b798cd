"""`python -m edge_infer` is `edge-infer`."""

import sys

from edge_infer.cli.main import main

sys.exit(main())

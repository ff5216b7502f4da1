"""`python -m clickstream_local`."""

import sys

from clickstream_local.main import main

if __name__ == "__main__":
    sys.exit(main())

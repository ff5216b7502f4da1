"""What the processor's tests share: the way to the simulation beside this file."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

"""Everything that compile-doctor reads, changed at random: nothing may turn HEALTHY, crash, hang or fill the memory.

`python -m tests.fuzz.run` runs it; `captures` and `others` say what is changed, how, and what may come of it.
"""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
for folder in (TESTS, TESTS.parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

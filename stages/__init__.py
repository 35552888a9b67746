import os

PARENT = os.getppid()  # before anything slow is imported: stages/running.py asks whether the parent is still this one

from stages import workers  # noqa: E402, F401  (it starts while the rest is imported)

import os

PARENT = os.getppid()  # before anything slow is imported: stages/running.py asks whether the parent is still this one

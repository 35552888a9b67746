"""The parts of "How it works": a function a part, which draws it. What they share is in `subject.py`."""

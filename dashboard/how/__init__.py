"""The parts of "How it works": a function a part, which draws it. What they share is in `subject.py`."""

PARTS = {  # titles, by the name that stands in the address
    "convolution": "Convolution, ReLU",
    "normalisation": "Response normalisation",
    "pooling": "Pooling",
    "columns": "Two GPUs",
    "dropout": "Dropout",
    "augmentation": "Crops and colours",
    "patches": "Ten patches",
    "sampling": "Down-sampling",
    "learning": "Learning",
    "size": "Size and data",
    "equations": "Equations",
    "questions": "What readers ask",
    "misread": "Often misread",
}

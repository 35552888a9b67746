"""The parts of "How it works", by the name that stands in the address."""

NAMES = {
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
    "misread": "Often misread",
}

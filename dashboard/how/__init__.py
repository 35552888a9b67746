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

QUESTIONS = {  # of readers, with the part that answers each
    "What is ReLU, and why not a threshold or tanh?": "convolution",
    "Do ReLUs need no input normalisation?": "convolution",
    "What does response normalisation do, and is batch normalisation better?": "normalisation",
    "Local or overlapping pooling, and does pooling reduce parameters?": "pooling",
    "How does training on two GPUs work, and what was too big for one?": "columns",
    "Did the GPUs wait for each other, and was what they exchange much?": "columns",
    "How is multiplying by 0.5 in the test analogous to dropping out?": "dropout",
    "Is augmentation computationally free?": "augmentation",
    "Would a better approach for down-sampling improve the performance?": "sampling",
    "Does the rate decrease automatically, and is it equal for all layers?": "learning",
    "What do depth and width do, and how good are hand-made features?": "size",
    "What does it save that all places share a kernel?": "size",
    "Would faster GPUs, more pictures or unsupervised pre-training help?": "size",
    "What do the equations' symbols mean?": "equations",
}

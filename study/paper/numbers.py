"""The sizes and constants of Krizhevsky, Sutskever and Hinton (NIPS 2012), and what can be counted from them.

Sections 2, 3.5, 4 and 5 and Figure 2. Nothing here is a choice of ours; what is counted from the sizes is a function.
Neither torch nor any other package is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

PICTURE = 256  # section 2: shorter side and central square, pixels
TRAINING_PICTURES = 1_200_000  # section 2: "roughly 1.2 million"
CROP = 224  # section 4.1
STRIDE = 4  # section 3.5, conv1
COLUMNS = 2  # Figure 2
GPU_MEMORY = 3  # section 3.2: GiB of a GTX 580
KERNELS = (96, 256, 384, 384, 256)
NEURONS = (4096, 4096)
CLASSES = 1000
POOLING_SIZE, POOLING_STRIDE = 3, 2  # section 3.4: z and s
RESPONSE = {"k": 2.0, "n": 5, "alpha": 1e-4, "beta": 0.75}  # section 3.3
FIGURE_2_NEURONS = (253_440, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000)  # as printed
FIGURE_2_INPUT = 150_528

BATCH = 128  # section 5 from here on
MOMENTUM = 0.9
WEIGHT_DECAY = 0.0005
RATE = 0.01
RATE_DIVISOR, RATE_DIVISIONS = 10, 3
DEVIATION = 0.01
POSITIVE_BIAS = 1.0
CYCLES = 90
DROPOUT = 0.5  # section 4.2
COLOUR_DEVIATION = 0.1  # section 4.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One learned layer, both columns together. `inputs`: maps (or neurons) that one kernel (or neuron) sees."""

    name: str
    outputs: int
    inputs: int
    size: int
    side: int

    @property
    def parameters(self) -> int:
        """Weights and one bias a kernel."""
        return self.outputs * (self.inputs * self.size**2 + 1)

    @property
    def neurons(self) -> int:
        return self.outputs * self.side**2


# Section 3.5: conv2, conv4 and conv5 see the half of the maps that lies on their own GPU.
LAYERS = (
    Layer(name="conv1", outputs=96, inputs=3, size=11, side=55),
    Layer(name="conv2", outputs=256, inputs=48, size=5, side=27),
    Layer(name="conv3", outputs=384, inputs=256, size=3, side=13),
    Layer(name="conv4", outputs=384, inputs=192, size=3, side=13),
    Layer(name="conv5", outputs=256, inputs=192, size=3, side=13),
    Layer(name="fc6", outputs=4096, inputs=256 * 6 * 6, size=1, side=1),
    Layer(name="fc7", outputs=4096, inputs=4096, size=1, side=1),
    Layer(name="fc8", outputs=1000, inputs=4096, size=1, side=1),
)


def parameters() -> int:
    return sum(layer.parameters for layer in LAYERS)


def neurons() -> int:
    return sum(layer.neurons for layer in LAYERS)


def shares() -> dict[str, float]:
    """Each convolutional layer's share of the network's parameters."""
    return {layer.name: layer.parameters / parameters() for layer in LAYERS if layer.name.startswith("conv")}


def input_size() -> int:
    return CROP * CROP * 3


def connections() -> int:
    """Connections of conv1, a bias counted as one: as many weights as if they were not shared over the positions."""
    first = LAYERS[0]
    return first.neurons * (first.inputs * first.size**2 + 1)


def fully_connected_parameters() -> int:
    """Parameters, and connections, of a fully connected layer with conv1's input and neurons."""
    return LAYERS[0].neurons * (input_size() + 1)


def crops() -> int:
    """Different training patches of one picture: offsets 0 to 32 on either axis, and reflections (section 4.1)."""
    positions = PICTURE - CROP + 1
    return positions * positions * 2


def exchanged() -> int:
    """Numbers that one column sends to the other per picture, forward: its halves of pool2, pool5, fc6 and fc7."""
    pool2, pool5 = 256 * 13 * 13, 256 * 6 * 6
    return (pool2 + pool5 + sum(NEURONS)) // COLUMNS


def weight_memory() -> int:
    """Bytes of weights, velocities and gradients in single precision: what a training holds beside its activations."""
    return 3 * 4 * parameters()

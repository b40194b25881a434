"""One step of learning as one compiled call: gathered vectors in, loss and gradients out.

What a network is made of besides its embedding tables (towers, attention, the loss) is written in
TensorFlow and Keras and compiled by XLA. The tables stay outside: the call receives the vectors
that the batch needs and returns the gradient of each, which the tables then take in sparsely.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candgen.training import quiet
from candgen.training.compile_time import FirstCalls

Loss = Callable[[dict[str, Any], dict[str, Any]], Any]


class CompiledStep:
    """Computes a loss, the gradients of what was gathered, and updates dense layers on the way."""

    def __init__(
        self, loss: Loss, *, layers: Sequence[Any] = (), optimizer: str = "adam", jit: bool = True
    ) -> None:
        """Prepare; XLA compiles at the first call, and again only if a shape changes.

        Args:
            loss: Takes two dicts of tensors, what was gathered (differentiated) and what is given
                (not), and returns a scalar. It calls its layers in training mode.
            layers: Keras layers that it uses, already built.
            optimizer: Of the layers' weights: adam, adagrad or sgd.
            jit: Whether XLA compiles it; otherwise TensorFlow runs its graph.
        """
        tf, keras = quiet.tensorflow(), quiet.keras()
        unbuilt = [layer.name for layer in layers if not layer.built]
        if unbuilt:
            raise ValueError(f"Layers must be built before training; {unbuilt} are not.")
        made = {"adam": keras.optimizers.Adam, "adagrad": keras.optimizers.Adagrad}
        optimizing = made.get(optimizer, keras.optimizers.SGD)(learning_rate=1.0)
        weights = [w.value for layer in layers for w in layer.trainable_variables]
        variables = [w for layer in layers for w in layer.trainable_variables]
        if variables:
            optimizing.build(variables)
        self._variables = [held for layer in layers for held in layer.variables]
        self._moving = list(optimizing.variables) if variables else []

        @tf.function(jit_compile=jit, autograph=False)
        def run(embedded: Any, given: Any, rate: Any) -> Any:
            names = list(embedded)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([embedded[name] for name in names])
                tape.watch(weights)
                value = loss(embedded, given)
            wanted = [embedded[name] for name in names] + weights
            slopes = tape.gradient(value, wanted, unconnected_gradients="zero")
            if variables:
                optimizing.learning_rate.assign(rate)
                optimizing.apply(slopes[len(names) :], variables)
            return value, dict(zip(names, slopes[: len(names)], strict=True))

        self._run, self._tf, self._first = run, tf, FirstCalls()

    def __call__(
        self, embedded: Mapping[str, NDArray], given: Mapping[str, NDArray], rate: float
    ) -> tuple[float, dict[str, NDArray[np.float32]]]:
        """Take one step.

        Args:
            embedded: Gathered vectors by name; their gradients are wanted.
            given: Everything else the loss reads, such as ids, masks and weights.
            rate: Learning rate of the dense layers in this step.

        Returns:
            The loss, and a gradient for each name of `embedded`.
        """
        tensor = self._tf.convert_to_tensor
        both = (embedded, given)
        shapes = tuple((name, held.shape) for part in both for name, held in part.items())
        with self._first.of(shapes):
            value, slopes = self._run(
                {name: tensor(held) for name, held in embedded.items()},
                {name: tensor(held) for name, held in given.items()},
                self._tf.constant(rate, self._tf.float32),
            )
        return float(value), {name: slope.numpy() for name, slope in slopes.items()}

    def weights(self) -> dict[str, NDArray]:
        """Return copies of what the layers hold, by name."""
        return {f"layer{n}": np.array(held.numpy()) for n, held in enumerate(self._variables)}

    def set_weights(self, state: Mapping[str, NDArray]) -> None:
        """Put back what `weights` returned."""
        for n, held in enumerate(self._variables):
            held.assign(state[f"layer{n}"])

    def state(self) -> dict[str, NDArray]:
        """Return the weights and what the optimizer keeps, by name."""
        moving = {f"moving{n}": np.array(held.numpy()) for n, held in enumerate(self._moving)}
        return self.weights() | moving

    def load_state(self, state: Mapping[str, NDArray]) -> None:
        """Go on from a state that `state` returned."""
        self.set_weights(state)
        for n, held in enumerate(self._moving):
            held.assign(state[f"moving{n}"])

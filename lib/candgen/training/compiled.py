"""One step of learning as one compiled call: gathered vectors in, loss and gradients out.

What a network is made of besides its embedding tables (towers, attention, the loss) is written in
TensorFlow and Keras and compiled by XLA. The tables stay outside: the call receives the vectors
that the batch needs and returns the gradient of each, which the tables then take in sparsely.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candgen.training import quiet
from candgen.training.compile_time import preparing
from candgen.training.programs import Program

Loss = Callable[[dict[str, Any], dict[str, Any]], Any]


class CompiledStep:
    """Computes a loss, the gradients of what was gathered, and updates dense layers on the way."""

    def __init__(
        self, loss: Loss, *, layers: Sequence[Any] = (), optimizer: str = "adam", jit: bool = True
    ) -> None:
        """Prepare; XLA compiles at the first call, and again only if a shape changes.

        A step of the same layers, loss and shapes that was compiled before is not compiled again.

        Args:
            loss: Takes two dicts of tensors, what was gathered (differentiated) and what is given
                (not), and returns a scalar. It calls its layers in training mode.
            layers: Keras layers that it uses, already built. Name them, since a program is
                found again by these names, too, and Keras counts up those that it invents.
            optimizer: Of the layers' weights: adam, adagrad or sgd.
            jit: Whether XLA compiles it; otherwise TensorFlow runs its graph.
        """
        tf, keras = quiet.tensorflow(), quiet.keras()
        unbuilt = [layer.name for layer in layers if not layer.built]
        if unbuilt:
            raise ValueError(f"Layers must be built before training; {unbuilt} are not.")
        made = {"adam": keras.optimizers.Adam, "adagrad": keras.optimizers.Adagrad}
        optimizing = made.get(optimizer, keras.optimizers.SGD)(learning_rate=1.0, name=optimizer)
        weights = [w.value for layer in layers for w in layer.trainable_variables]
        variables = [w for layer in layers for w in layer.trainable_variables]
        if variables:
            optimizing.build(variables)
        self._variables = [held for layer in layers for held in layer.variables]
        self._moving = list(optimizing.variables) if variables else []

        @tf.function(jit_compile=jit, autograph=False)
        def run(names: Any, embedded: Any, given: Any, rate: Any) -> Any:
            of_embedded, of_given = names
            known = dict(zip(of_given, given, strict=True))
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(embedded)
                tape.watch(weights)
                value = loss(dict(zip(of_embedded, embedded, strict=True)), known)
            slopes = tape.gradient(value, embedded + weights, unconnected_gradients="zero")
            if variables:
                optimizing.learning_rate.assign(rate)
                optimizing.apply(slopes[len(embedded) :], variables)
            return value, slopes[: len(embedded)]

        self._run, self._tf = run, tf
        self._programs: dict[Any, Program] = {}

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
        names = tuple(embedded), tuple(given)
        inputs = [self._tf.convert_to_tensor(held) for held in embedded.values()]
        known = [self._tf.convert_to_tensor(held) for held in given.values()]
        factor = self._tf.constant(rate, self._tf.float32)
        shape = names, tuple((held.shape, held.dtype) for held in (*inputs, *known))
        new = shape not in self._programs
        with preparing() if new else nullcontext():
            if new:
                traced = self._run.get_concrete_function(names, inputs, known, factor)
                self._programs[shape] = Program(traced)
            value, slopes = self._programs[shape](*inputs, *known, factor)
        return float(value), {n: s.numpy() for n, s in zip(names[0], slopes, strict=True)}

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

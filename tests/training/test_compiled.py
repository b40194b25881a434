import gc
import weakref
from collections import OrderedDict

import numpy as np
import pytest

from candgen.training import CompiledStep, programs
from candgen.training.compile_time import Stopwatch


def squares(embedded, given):
    """Half the squared distance from a goal, summed: its gradient is the distance itself."""
    import tensorflow as tf

    return tf.reduce_sum(tf.square(embedded["x"] - given["goal"])) / 2


def test_a_step_returns_the_loss_and_the_gradient_of_what_was_gathered():
    x = np.array([[1.0, 2.0]], dtype=np.float32)
    loss, slopes = CompiledStep(squares)({"x": x}, {"goal": np.zeros_like(x)}, 0.1)
    assert loss == pytest.approx(2.5)
    np.testing.assert_allclose(slopes["x"], x)


def layer_and_step(optimizer="sgd"):
    from tensorflow import keras

    layer = keras.layers.Dense(1, use_bias=False)
    layer.build((None, 2))

    def loss(embedded, given):
        import tensorflow as tf

        return tf.reduce_mean(layer(embedded["x"]))

    return layer, CompiledStep(loss, layers=[layer], optimizer=optimizer)


def test_dense_layers_are_updated_at_the_rate_of_the_step():
    layer, step = layer_and_step()
    before = layer.kernel.numpy()
    x = np.array([[1.0, 3.0]], dtype=np.float32)
    step({"x": x}, {}, 0.1)
    np.testing.assert_allclose(layer.kernel.numpy(), before - 0.1 * x.T, atol=1e-6)
    step({"x": x}, {}, 0.01)
    np.testing.assert_allclose(layer.kernel.numpy(), before - 0.11 * x.T, atol=1e-6)


def test_dense_layers_go_on_from_a_state():
    x = np.ones((4, 2), dtype=np.float32)
    layer, step = layer_and_step("adam")
    step({"x": x}, {}, 0.1)
    kept = step.state()
    step({"x": x}, {}, 0.1)
    other, again = layer_and_step("adam")
    again.load_state(kept)
    again({"x": x}, {}, 0.1)
    np.testing.assert_array_equal(other.kernel.numpy(), layer.kernel.numpy())


def test_layers_that_were_not_built_are_named():
    from tensorflow import keras

    quiet_layer = keras.layers.Dense(1, name="late")
    with pytest.raises(ValueError, match="late"):
        CompiledStep(squares, layers=[quiet_layer])


def test_only_the_first_call_with_each_shape_counts_as_compiling():
    step, compiling = CompiledStep(squares), []
    for rows in (3, 3, 1, 3):
        x, watch = np.ones((rows, 2), np.float32), Stopwatch()
        step({"x": x}, {"goal": x}, 0.1)
        compiling.append(watch.read().compile_seconds > 0)
    assert compiling == [True, False, True, False]


def scaled(factor, start, **options):
    """A step whose loss is a constant times a layer's answer, and its layer."""
    from tensorflow import keras

    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", name="dense")
    layer.build((None, 2))
    layer.set_weights([np.full((2, 1), start, np.float32)])

    def loss(embedded, given):
        import tensorflow as tf

        return factor * tf.reduce_sum(layer(embedded["x"]) * given["y"])

    return CompiledStep(loss, layers=[layer], optimizer="sgd", **options), layer


def test_a_program_is_compiled_once_and_every_step_keeps_its_own_weights(monkeypatch):
    monkeypatch.setattr(programs, "_programs", OrderedDict())
    x, y = np.ones((3, 2), np.float32), np.ones((3, 1), np.float32)
    (first, held), (second, other) = scaled(2.0, 1.0), scaled(2.0, 5.0)
    losses = [step({"x": x}, {"y": y}, 0.1)[0] for step in (first, second, first, second)]
    assert losses == pytest.approx([12, 60, 12 - 7.2, 60 - 7.2])  # the slope is 2 * 3, twice
    weights = [layer.kernel.numpy().ravel() for layer in (held, other)]
    np.testing.assert_allclose(weights, [[1 - 1.2] * 2, [5 - 1.2] * 2], rtol=1e-5)
    assert len(programs._programs) == 1


def test_a_constant_a_shape_and_the_compiler_make_another_program(monkeypatch):
    monkeypatch.setattr(programs, "_programs", OrderedDict())
    x, y = np.ones((3, 2), np.float32), np.ones((3, 1), np.float32)
    assert scaled(2.0, 1.0)[0]({"x": x}, {"y": y}, 0.1)[0] == pytest.approx(12)
    assert scaled(3.0, 1.0)[0]({"x": x}, {"y": y}, 0.1)[0] == pytest.approx(18)
    assert scaled(3.0, 1.0)[0]({"x": x[:1]}, {"y": y[:1]}, 0.1)[0] == pytest.approx(6)
    interpreted = scaled(3.0, 1.0, jit=False)[0]
    assert interpreted({"x": x}, {"y": y}, 0.1)[0] == pytest.approx(18)
    assert len(programs._programs) == 4


def test_a_step_that_is_gone_is_not_held_by_its_program():
    step, layer = scaled(4.0, 1.0)
    step({"x": np.ones((3, 2), np.float32)}, {"y": np.ones((3, 1), np.float32)}, 0.1)
    held = weakref.ref(step), weakref.ref(layer)
    del step, layer
    gc.collect()
    assert [each() for each in held] == [None, None]


def test_a_function_without_the_private_call_runs_its_own_program(monkeypatch):
    monkeypatch.setattr(programs, "_CALL", "renamed_in_tensorflow")
    x, y = np.ones((3, 2), np.float32), np.ones((3, 1), np.float32)
    (first, held), (second, other) = scaled(2.0, 1.0), scaled(2.0, 5.0)
    assert [step({"x": x}, {"y": y}, 0.1)[0] for step in (first, second)] == [12, 60]
    weights = [layer.kernel.numpy().ravel() for layer in (held, other)]
    np.testing.assert_allclose(weights, [[1 - 0.6] * 2, [5 - 0.6] * 2], rtol=1e-5)

import numpy as np
import pytest

from candgen.training import CompiledStep


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

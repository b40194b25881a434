"""TensorFlow, without what it has to tell about the machine while it loads."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Any

from candgen.training.compile_time import preparing


@cache
def tensorflow() -> Any:
    """Import TensorFlow, let it look for devices, and return it.

    Some of its messages (no graphics card, which instructions the processor has) come before any
    setting is read, straight to the error stream of the process; so that stream is put aside
    while it loads. Exceptions pass as always.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    with preparing():
        try:
            os.dup2(nowhere, 2)
            import tensorflow as tf

            tf.config.list_physical_devices()  # a warm kernel has imported it, and looks only now
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)
    return tf


@cache
def keras() -> Any:
    """Import Keras, after TensorFlow, and return it."""
    tensorflow()
    with preparing():
        from tensorflow import keras

        keras.layers  # noqa: B018 - it loads when it is first looked into
    return keras

"""Programs that XLA compiled in this process, kept for every network of the same shape.

XLA takes seconds to compile a step of training, and TensorFlow a part of that to trace it. Two
networks that differ only in what their variables hold have the same graph, so the second one runs
the first one's program on its own variables. Graphs are compared whole, with their constants.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from typing import Any

_KEPT = 32
# The public call takes the variables of the first function. Where TensorFlow has renamed this one,
# which is private, each function runs a program of its own.
_CALL = "_call_flat"
_programs: OrderedDict[tuple[bool, str], Any] = OrderedDict()
_lock = threading.Lock()


class Program:
    """A traced function that runs by the program of the first function with the same graph."""

    def __init__(self, traced: Any) -> None:
        """Look for the program, or keep this one for later functions.

        Args:
            traced: What `get_concrete_function` returns. Others keep the variables that it reads.
        """
        self._captured, self._running = traced.captured_inputs, traced
        if not hasattr(traced, _CALL):
            return
        key = traced.function_def.attr["_XlaMustCompile"].b, _key(traced.graph)
        with _lock:
            self._running = _programs.setdefault(key, traced)
            _programs.move_to_end(key)
            while len(_programs) > _KEPT:
                _programs.popitem(last=False)

    def __call__(self, *tensors: Any) -> Any:
        """Run on the tensors of all arguments, in order; return what the function returns."""
        if not hasattr(self._running, _CALL):
            return self._running(*tensors)
        return getattr(self._running, _CALL)(list(tensors), self._captured)


def _key(graph: Any) -> str:
    """Return a digest of a graph that leaves out what TensorFlow counts up in the process.

    These are the numbers in the names of functions, which keep their order here and start at 0,
    and the names of custom gradients, which are of no use once the graph is complete.
    """
    held = graph.as_graph_def(add_shapes=True)
    fields = {field.name: value for field, value in held.ListFields()}
    functions = list(fields["library"].function) if "library" in fields else []
    for node in [*held.node, *(node for one in functions for node in one.node_def)]:
        node.attr.pop("_gradient_op_type", None)
    names = [one.signature.name for one in functions]
    counted = sorted({int(n) for name in names for n in re.findall(r"\d+", name)})
    rank = {number: n for n, number in enumerate(counted)}
    plain = {name: re.sub(r"\d+", lambda n: str(rank[int(n[0])]), name) for name in names}
    held.ClearField("library")
    parts = [str(held), *map(str, functions)]
    if names:
        longest_first = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
        named = re.compile(rf"({longest_first})(?!\d)")
        parts = [named.sub(lambda name: plain[name[0]], part) for part in parts]
    text = "\n".join([parts[0], *sorted(parts[1:])])
    return hashlib.sha256(text.encode()).hexdigest()

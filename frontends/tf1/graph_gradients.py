"""c = sum(x * y + z) in TensorFlow 1 style: tf.gradients adds the derivatives to the graph before anything runs."""

import tensorflow.compat.v1 as tf

from frontends.tf1.inputs import Inputs
from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    graph = tf.Graph()
    with graph.as_default(), tf.device(f"/{problem.device}:0"):
        inputs = Inputs(problem)  # variables, because constants would be folded away before the first step
        x, y, z = inputs.tensors

        a = x * y
        b = a + z
        c = tf.reduce_sum(b)
        gradients = tf.gradients(c, [x, y, z])
        # as operations they are computed at each step but stay on the device; inputs of tf.group would be pruned
        evaluate_gradients = [gradient.op for gradient in gradients]
        initialize = tf.global_variables_initializer()

    batches = problem.batches()
    session = tf.Session(graph=graph)
    session.run(initialize, inputs.initial)

    def state():
        dc_dx, dc_dy, dc_dz = session.run(gradients)
        return State(gradients={"x": dc_dx, "y": dc_dy, "z": dc_dz})

    yield Steps(state, evaluate=lambda: session.run(c, inputs.feed(session, next(batches))))

    for batch in batches:
        c_value, _ = session.run([c, evaluate_gradients], inputs.feed(session, batch))
        yield c_value

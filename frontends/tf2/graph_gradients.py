"""c = sum(x * y + z) in TensorFlow 2: the tape watches the inputs and computes the gradients."""

import tensorflow as tf

from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    with tf.device(problem.device):
        batches = problem.batches(tf.convert_to_tensor)

    def graph(x, y, z):
        a = x * y
        b = a + z
        return tf.reduce_sum(b)

    def step(x, y, z):
        with tf.GradientTape() as tape:
            tape.watch([x, y, z])
            c = graph(x, y, z)

        return c, tape.gradient(c, [x, y, z])

    def state():
        return State(gradients={"x": dc_dx.numpy(), "y": dc_dy.numpy(), "z": dc_dz.numpy()})

    step = tf.function(step, jit_compile=problem.mode == "tf2_xla") if problem.mode != "tf2_eager" else step
    value = tf.function(graph, jit_compile=problem.mode == "tf2_xla") if problem.mode != "tf2_eager" else graph
    yield Steps(state, evaluate=lambda: value(*next(batches)))

    for x, y, z in batches:
        c, (dc_dx, dc_dy, dc_dz) = step(x, y, z)
        yield c

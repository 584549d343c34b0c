"""c = sum(x * y + z) in TensorFlow 2: the tape watches the inputs and computes the gradients."""

import tensorflow as tf

from workbench.contract import Problem, State, Training


def train(problem: Problem) -> Training:
    with tf.device(problem.device):
        batches = problem.batches(tf.convert_to_tensor)

    def step(x, y, z):
        with tf.GradientTape() as tape:
            tape.watch([x, y, z])
            a = x * y
            b = a + z
            c = tf.reduce_sum(b)

        return c, tape.gradient(c, [x, y, z])

    def state():
        return State(gradients={"x": dc_dx.numpy(), "y": dc_dy.numpy(), "z": dc_dz.numpy()})

    step = tf.function(step, jit_compile=problem.mode == "tf2_xla") if problem.mode != "tf2_eager" else step
    yield state

    for x, y, z in batches:
        c, (dc_dx, dc_dy, dc_dz) = step(x, y, z)
        yield c

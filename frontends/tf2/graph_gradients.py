"""c = sum(x * y + z) in TensorFlow 2: the tape watches the variables and computes the gradients."""

import tensorflow as tf

from frontends.tf2.runtime import in_mode
from workbench.contract import Problem, Result, Training


def train(problem: Problem) -> Training:
    with tf.device(problem.device):
        x, y, z = (tf.Variable(problem.init[name]) for name in ("x", "y", "z"))
    batches = problem.batches()

    def step():
        with tf.GradientTape() as tape:
            a = x * y
            b = a + z
            c = tf.reduce_sum(b)

        return c, tape.gradient(c, [x, y, z])

    step = in_mode(problem, step)
    yield

    for () in batches:
        c, (dc_dx, dc_dy, dc_dz) = step()
        yield c

    return Result(gradients={"x": dc_dx.numpy(), "y": dc_dy.numpy(), "z": dc_dz.numpy()})

"""Optimisers in TensorFlow 1: its own, but for what the paper calls epsilon hat, and AdamW, which it lacks."""

import tensorflow.compat.v1 as tf

from workbench.contract import Problem


class Adam(tf.train.AdamOptimizer):
    """Adam with epsilon added to the root of the corrected v; TensorFlow's own adds it to that of v itself."""

    def _prepare(self):
        super()._prepare()
        _, beta_2_power = self._get_beta_accumulators()
        self._epsilon_t *= tf.sqrt(1 - beta_2_power)


def optimizer_of(problem: Problem):
    """The optimiser that a problem asks for; its numbers are tensors, because a Python float would become float32."""
    learning_rate = tf.constant(problem.learning_rate, problem.dtype)
    name = problem.optimizer["name"]
    if name == "sgd":
        return tf.train.GradientDescentOptimizer(learning_rate)
    if name in ("momentum", "nesterov"):
        momentum = tf.constant(problem.optimizer["momentum"], problem.dtype)
        return tf.train.MomentumOptimizer(learning_rate, momentum, use_nesterov=name == "nesterov")
    numbers = (tf.constant(problem.optimizer[number], problem.dtype) for number in ("beta_1", "beta_2", "epsilon"))
    return Adam(learning_rate, *numbers)


def minimize(problem: Problem, loss, parameters):
    """The operation that takes a step, and the optimiser's moments by name."""
    optimizer = optimizer_of(problem)
    gradients, variables = zip(*optimizer.compute_gradients(loss, list(parameters.values())), strict=True)
    with tf.control_dependencies(gradients):  # AdamW first shrinks what is decayed, but all gradients precede that
        decays = [
            parameters[name].assign_sub(
                tf.constant(problem.learning_rate * problem.optimizer["weight_decay"], problem.dtype) * parameters[name]
            )
            for name in problem.optimizer.get("decayed", ())
        ]
    with tf.control_dependencies(decays):
        update = optimizer.apply_gradients(zip(gradients, variables, strict=True))
    moments = {
        f"{'velocity' if slot == 'momentum' else slot}/{name}": optimizer.get_slot(parameter, slot)
        for slot in optimizer.get_slot_names()
        for name, parameter in parameters.items()
    }
    return update, moments

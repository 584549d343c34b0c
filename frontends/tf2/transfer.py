"""Transfer learning in TensorFlow 2: the tape is asked for the gradients of what a phase trains."""

import tensorflow as tf

from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    with tf.device(problem.device):
        parameters = {name: tf.Variable(array) for name, array in problem.init.items()}
    w1, b1, w2, b2, old_w, old_b, new_w, new_b = parameters.values()

    def predict(x, head):
        hidden = tf.nn.relu(x @ w1 + b1)
        features = tf.nn.relu(hidden @ w2 + b2)
        return features @ old_w + old_b if head == "old" else features @ new_w + new_b

    def loss_of(x, labels, head):
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, predict(x, head)))

    def step(x, labels, head, frozen):
        trained = [parameter for name, parameter in parameters.items() if name not in frozen]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(trained)
            loss = loss_of(x, labels, head)

        for parameter, gradient in zip(trained, tape.gradient(loss, trained), strict=True):
            parameter.assign_sub(problem.learning_rate * gradient)
        return loss

    def state():
        predictions = predict(tf.convert_to_tensor(problem.queries), "new")
        return State(
            parameters={name: parameter.numpy() for name, parameter in parameters.items()},
            predictions=predictions.numpy(),
        )

    step = tf.function(step, jit_compile=problem.mode == "tf2_xla") if problem.mode != "tf2_eager" else step
    value = tf.function(loss_of, jit_compile=problem.mode == "tf2_xla") if problem.mode != "tf2_eager" else loss_of
    yield Steps(state, evaluate=lambda: value(*next(batches), head))

    for phase in problem.phases:
        head = "new" if "old_w" in phase.frozen else "old"
        batches = problem.batches(tf.convert_to_tensor, until=phase.until)
        for x, labels in batches:
            yield step(x, labels, head, phase.frozen)

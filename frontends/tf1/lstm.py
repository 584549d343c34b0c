"""A long short-term memory in TensorFlow 1 style: every row stands in the graph, and variables carry the state."""

import tensorflow.compat.v1 as tf

from frontends.tf1.inputs import Inputs
from frontends.tf1.optimizers import minimize
from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    shape = problem.rows.shape[1], len(problem.init["wh"])
    graph = tf.Graph()
    with graph.as_default(), tf.device(f"/{problem.device}:0"):
        inputs = Inputs(problem)
        x, labels = inputs.tensors
        parameters = {name: tf.get_variable(name, initializer=array) for name, array in problem.init.items()}
        wx, wh, b, wy, by = parameters.values()
        memory = [tf.get_variable(name, initializer=tf.zeros(shape, problem.dtype), trainable=False) for name in "hc"]

        def read(x, h, c):
            for a in tf.unstack(x, problem.queries.shape[1], axis=1):
                i, f, g, o = tf.split(tf.matmul(a, wx) + tf.matmul(h, wh) + b, 4, axis=1)
                c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
                h = tf.sigmoid(o) * tf.tanh(c)
            return tf.matmul(h, wy) + by, h, c

        logits, h, c = read(x, *memory)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        update, moments = minimize(problem, loss, parameters)
        with tf.control_dependencies([update]):
            step = tf.group(*(old.assign(new) for old, new in zip(memory, (h, c), strict=True)))
        nothing = tf.zeros((len(problem.queries), shape[1]), problem.dtype)
        answers, _, _ = read(x, nothing, nothing)
        initialize = tf.global_variables_initializer()

    batches = problem.batches()
    session = tf.Session(graph=graph)
    session.run(initialize, inputs.initial)

    def state():
        carried = {**moments, "h": memory[0], "c": memory[1]}
        weights, predictions, values = session.run([parameters, answers, carried], {x: problem.queries})
        return State(parameters=weights, predictions=predictions, carried=values)

    yield Steps(state, evaluate=lambda: session.run(loss, inputs.feed(session, next(batches))))

    for batch in batches:
        loss_value, _ = session.run([loss, step], inputs.feed(session, batch))
        yield loss_value

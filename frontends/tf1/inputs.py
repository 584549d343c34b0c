"""The inputs of a graph, which all tasks share: resident data in variables, fed data in placeholders."""

import tensorflow.compat.v1 as tf

from workbench.contract import Problem


class Inputs:
    """The tensors of a batch, made inside a graph: variables that hold resident data, placeholders for what is fed.

    ``initial`` is what to feed when the graph's variables are initialised; the graph contains no data.
    """

    def __init__(self, problem: Problem) -> None:
        data = problem.feed.data
        self.loaded = tuple(data.values()) if problem.resident else ()
        self.sources = [tf.placeholder(array.dtype, array.shape) for array in self.loaded]
        self.initial = dict(zip(self.sources, self.loaded, strict=True))
        with tf.variable_scope("resident"):
            variables = [
                tf.get_variable(name, initializer=source, trainable=False)
                for name, source in zip(data, self.sources, strict=False)
            ]
        self.load = [variable.initializer for variable in variables]
        resident = variables
        if problem.queries is not None:  # which take the place of x
            resident = [tf.placeholder_with_default(variable, samples(variable)) for variable in variables]
        fed = {} if problem.resident else data
        self.fed = [tf.placeholder(array.dtype, samples(array), name) for name, array in fed.items()]
        self.fed += [tf.placeholder(array.dtype, array.shape[1:], name) for name, array in problem.per_step.items()]
        self.tensors = resident + self.fed

    def feed(self, session, batch):
        """What to feed for a batch; resident data is loaded first where it is not what the variables hold."""
        changed = [place for place, (new, old) in enumerate(zip(batch, self.loaded, strict=False)) if new is not old]
        if changed:
            self.loaded = batch[: len(self.loaded)]
            session.run(
                [self.load[place] for place in changed], {self.sources[place]: batch[place] for place in changed}
            )
        return dict(zip(self.fed, batch[len(self.loaded) :], strict=True))


def samples(array):
    """The shape of any number of samples like those of an array or a variable."""
    return (None, *array.shape[1:])

"""Transfer learning in JAX: value_and_grad of what a phase trains; what is frozen is an argument it ignores."""

import jax
import jax.numpy as jnp

from workbench.contract import Problem, State, Steps, Training


def train(problem: Problem) -> Training:
    parameters = {name: jnp.asarray(array) for name, array in problem.init.items()}

    def predict(parameters, x, head):
        hidden = jax.nn.relu(x @ parameters["w1"] + parameters["b1"])
        features = jax.nn.relu(hidden @ parameters["w2"] + parameters["b2"])
        return features @ parameters[f"{head}_w"] + parameters[f"{head}_b"]

    def loss_of(trained, frozen, x, labels, head):
        logits = predict({**trained, **frozen}, x, head)
        samples = jnp.arange(len(x))
        return jnp.mean(jax.nn.logsumexp(logits, axis=1) - logits[samples, labels])

    def step(trained, frozen, x, labels, head):
        loss, gradients = jax.value_and_grad(loss_of)(trained, frozen, x, labels, head)
        return jax.tree.map(lambda p, g: p - problem.learning_rate * g, trained, gradients), loss

    def state():
        predictions = predict(parameters, jnp.asarray(problem.queries), "new")
        return State(parameters=jax.device_get(parameters), predictions=jax.device_get(predictions))

    step = jax.jit(step, static_argnames="head") if problem.mode != "jax_op_by_op" else step
    value = jax.jit(loss_of, static_argnames="head") if problem.mode != "jax_op_by_op" else loss_of
    yield Steps(state, evaluate=lambda: value(trained, frozen, *next(batches), head))

    for phase in problem.phases:
        head = "new" if "old_w" in phase.frozen else "old"
        frozen = {name: parameters[name] for name in phase.frozen}
        trained = {name: p for name, p in parameters.items() if name not in frozen}
        batches = problem.batches(jnp.asarray, until=phase.until)
        for x, labels in batches:
            trained, loss = step(trained, frozen, x, labels, head)
            parameters = {**parameters, **trained}
            yield loss

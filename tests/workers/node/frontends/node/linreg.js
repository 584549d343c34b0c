// Linear regression, with the gradients derived by hand.
//
// Weights and predictions have the type of the problem. Sums are doubles, as all numbers of JavaScript are.
'use strict';

exports.train = function* train(problem) {
  const w = problem.init.w.data.slice();
  const b = problem.init.b.data.slice();
  const inputs = w.length;

  const state = () => ({
    'parameters/w': { shape: [inputs, 1], data: w },
    'parameters/b': { shape: [1], data: b },
    predictions: { shape: [problem.queries.shape[0], 1], data: predict(problem.queries, w, b) },
  });
  yield state;

  for (const { x, y } of problem.batches()) {
    const batch = x.shape[0];
    const error = predict(x, w, b);
    let squares = 0;
    for (let i = 0; i < batch; i++) {
      error[i] -= y.data[i];
      squares += error[i] * error[i];
    }
    const loss = squares / batch;

    const dlossDw = new Float64Array(inputs);
    let dlossDb = 0;
    for (let i = 0; i < batch; i++) {
      const dlossDprediction = (2 / batch) * error[i];
      for (let j = 0; j < inputs; j++) dlossDw[j] += x.data[i * inputs + j] * dlossDprediction;
      dlossDb += dlossDprediction;
    }

    for (let j = 0; j < inputs; j++) w[j] -= problem.learning_rate * dlossDw[j];
    b[0] -= problem.learning_rate * dlossDb;
    yield loss;
  }
};

/** x @ w + b */
function predict(x, w, b) {
  const [rows, inputs] = x.shape;
  const prediction = new w.constructor(rows);
  for (let i = 0; i < rows; i++) {
    let sum = b[0];
    for (let j = 0; j < inputs; j++) sum += x.data[i * inputs + j] * w[j];
    prediction[i] = sum;
  }
  return prediction;
}

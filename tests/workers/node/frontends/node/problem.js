// The problem as a training sees it, with the batch of each coming step.
'use strict';

const npz = require('./npz');

class Problem {
  constructor(file) {
    const { about, ...arrays } = npz.load(file);
    Object.assign(this, JSON.parse(about)); // steps, learning_rate, optimizer, dtype, ...
    this.init = group(arrays, 'init/');
    this.perStep = group(arrays, 'per_step/');
    this.original = this.data = group(arrays, 'data/');
    this.rows = arrays.rows; // undefined: every step sees all samples
    this.queries = arrays.queries;
    this.step = 0; // how many steps have been taken
    this.origin = 0; // the step that sees the first of the rows
  }

  /** From the next step on: some of the original data in another order, and other rows. */
  feed(file) {
    const { rows, ...orders } = npz.load(file);
    this.data = { ...this.data }; // those without an order stay as they are
    for (const [name, order] of Object.entries(group(orders, 'order/'))) {
      this.data[name] = take(this.original[name], order.data);
    }
    if (rows) [this.rows, this.origin] = [rows, this.step];
  }

  /** The arrays of each coming step, by name, for ever. */
  *batches() {
    for (;;) {
      const batch = { ...this.data };
      if (this.rows) {
        const rows = row(this.rows, this.step - this.origin).data;
        for (const name of Object.keys(batch)) batch[name] = take(batch[name], rows);
      }
      for (const [name, array] of Object.entries(this.perStep)) batch[name] = row(array, this.step);
      this.step++;
      yield batch;
    }
  }
}

/** The arrays whose names begin with a prefix, without it. */
function group(arrays, prefix) {
  const names = Object.keys(arrays).filter((name) => name.startsWith(prefix));
  return Object.fromEntries(names.map((name) => [name.slice(prefix.length), arrays[name]]));
}

/** array[number], which begins again after the last one. */
function row(array, number) {
  const [count, ...shape] = array.shape;
  const size = array.data.length / count;
  const start = (number % count) * size;
  return { shape, data: array.data.subarray(start, start + size) };
}

/** array[rows], for many rows. */
function take(array, rows) {
  const size = array.data.length / array.shape[0];
  const data = new array.data.constructor(rows.length * size);
  rows.forEach((from, to) => data.set(array.data.subarray(from * size, (from + 1) * size), to * size));
  return { shape: [rows.length, ...array.shape.slice(1)], data };
}

module.exports = { Problem };

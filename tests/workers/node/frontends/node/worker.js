// A worker of the workbench in JavaScript, started as: node worker.js JOB READ_FD WRITE_FD. See PROTOCOL.md.
'use strict';

const fs = require('fs');
const path = require('path');
const { performance } = require('perf_hooks');
const npz = require('./npz');
const { Problem } = require('./problem');

const VERSION = 4;
const job = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const [commandsFd, answersFd] = process.argv.slice(3).map(Number);

let content; // the module of the task
let problem;
let training; // yields a function that reads the state, then the loss of each step
let readState;
let kept = [];

/** What the harness may ask for: each takes the command's arguments and returns what the answer holds. */
const commands = {
  import() {
    const started = performance.now();
    const folder = job.content[`frontends.${job.folder}`].find((each) => fs.existsSync(`${each}/${job.task}.js`));
    content = require(path.join(folder, `${job.task}.js`));
    const { node, v8 } = process.versions;
    return { import_s: since(started), versions: { node, v8 }, rss_bytes: memory('VmRSS') };
  },

  set_up({ problem: file }) {
    kept = [];
    problem = new Problem(file);
    const started = performance.now();
    training = content.train(problem);
    readState = training.next().value;
    return { setup_s: since(started), steps_per_call: 1 };
  },

  run({ steps, warm, keep }) {
    for (let step = 0; step < warm; step++) training.next();
    let next = 0;
    const started = performance.now();
    for (let step = 0; step < steps; step++) {
      const loss = training.next().value;
      if (step === keep[next]) {
        kept.push(loss);
        next++;
      }
    }
    return { seconds: since(started) };
  },

  /** Nothing is computed later than it is asked for. */
  wait() {
    return { seconds: 0 };
  },

  fetch({ to }) {
    npz.save(to, { losses: { shape: [kept.length], data: Float64Array.from(kept) } });
    const seconds = kept.map(() => 0); // they are numbers already
    kept = [];
    return { seconds };
  },

  scalars({ count }) {
    return { seconds: Array(count).fill(0) };
  },

  state({ to }) {
    npz.save(to, readState());
    return {};
  },

  feed({ source }) {
    problem.feed(source);
    return {};
  },

  /** The engine compiles while it runs, and does not say what. */
  compilations() {
    return { compilations: {} };
  },

  observe() {
    const tiny = Float32Array.of(1e-38, 0.1, 0);
    tiny[2] = tiny[0] * tiny[1];
    const observed = { device: 'cpu', threads: 1, matmul_precision: 'float32', xla: false, flush_to_zero: tiny[2] === 0 };
    return { observed, pool_threads: threads(), peak_bytes: memory('VmHWM'), peak_device_bytes: null, metrics: {} };
  },

  finish() {
    return {};
  },
};

function since(started) {
  return (performance.now() - started) / 1000;
}

/** A line of /proc/self/status, in bytes. */
function memory(field) {
  const status = fs.readFileSync('/proc/self/status', 'utf8');
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)[1]) * 1024;
}

/** How many threads of each name there are. */
function threads() {
  const counts = {};
  for (const thread of fs.readdirSync('/proc/self/task')) {
    const name = fs.readFileSync(`/proc/self/task/${thread}/comm`, 'utf8').trim();
    counts[name] = (counts[name] || 0) + 1;
  }
  return counts;
}

/** The lines of a pipe, until its other end is closed. */
function* lines(fd) {
  const chunk = Buffer.alloc(65536);
  let pending = '';
  for (let count; (count = fs.readSync(fd, chunk)) > 0; ) {
    pending += chunk.toString('latin1', 0, count); // bytes as they are: a character may be in two chunks
    for (let end; (end = pending.indexOf('\n')) >= 0; pending = pending.slice(end + 1)) {
      yield Buffer.from(pending.slice(0, end), 'latin1').toString('utf8');
    }
  }
}

function send(message) {
  const bytes = Buffer.from(JSON.stringify({ v: VERSION, ...message }) + '\n');
  for (let at = 0; at < bytes.length; ) at += fs.writeSync(answersFd, bytes, at);
}

/** What went wrong, for the harness; the log gets the whole stack. */
function failure(error, command) {
  console.error(error.stack);
  const [, file, line] = /([\w.]+):(\d+):\d+\)?$/m.exec(error.stack) || [];
  const where = file === `${job.task}.js` ? `${file}, line ${line}` : '';
  return { failed: command, kind: error.name, text: error.message, where };
}

for (const line of lines(commandsFd)) {
  const { v, do: command, ...words } = JSON.parse(line);
  try {
    if (v !== VERSION) throw new Error(`this worker knows version ${VERSION} of the protocol, not ${v}`);
    send({ did: command, ...commands[command](words) });
  } catch (error) {
    send(failure(error, command));
    process.exit(1);
  }
  if (command === 'finish') break;
}

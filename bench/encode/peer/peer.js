// node peer.js: ONNX Runtime as a contestant; one line of JSON in, one out (see ../worker.h for the questions).
//   {"op": "load", "graph": FILE, "threads": N}
//   {"op": "set", "batches": [{"rows": R, "columns": C, "ids": [R * C], "lengths": [R]}]}, padded at the right with id 0
//   {"op": "vectors"}, {"op": "run", "seconds": S}
// Tensors are made before the clock starts: the runtime is what is measured, not JavaScript.
'use strict';
const module_folder = process.env.SEXTANT_BENCH_PEER;
const ort = require(require.resolve('onnxruntime-node', {paths: [module_folder]}));

let session = null;
let batches = [];

async function load({graph, threads, optimized}) {
  session = await ort.InferenceSession.create(graph, {
    executionProviders: ['cpu'], intraOpNumThreads: threads, interOpNumThreads: 1, executionMode: 'sequential',
    graphOptimizationLevel: 'all', logSeverityLevel: 3, ...(optimized ? {optimizedModelFilePath: optimized} : {}),
  });
  return {version: ort.env.versions.node};
}

function set({batches: given}) {
  const masked = session.inputNames.includes('attention_mask');
  batches = given.map(({rows, columns, ids, lengths}) => {
    const feeds = {input_ids: new ort.Tensor('int64', BigInt64Array.from(ids.map(BigInt)), [rows, columns])};
    if (masked) {
      const mask = new BigInt64Array(rows * columns);
      lengths.forEach((length, row) => mask.fill(1n, row * columns, row * columns + length));
      feeds.attention_mask = new ort.Tensor('int64', mask, [rows, columns]);
    }
    return feeds;
  });
  return {};
}

async function vectors() {
  const rows = [];
  for (const feeds of batches) {
    const {embedding} = await session.run(feeds);
    const [count, dim] = embedding.dims;
    for (let i = 0; i < count; ++i) rows.push(Array.from(embedding.data.subarray(i * dim, (i + 1) * dim)));
  }
  return {vectors: rows};
}

async function run({seconds: seconds_min}) {
  const cpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  let passes = 0, seconds = 0;
  do {
    for (const feeds of batches) await session.run(feeds);
    ++passes;
    seconds = Number(process.hrtime.bigint() - start) / 1e9;
  } while (seconds < seconds_min);
  const {user, system} = process.cpuUsage(cpu);
  return {passes, seconds, cpu_seconds: (user + system) / 1e6};
}

const kAnswers = {load, set, vectors, run};

(async () => {
  for await (const line of require('readline').createInterface({input: process.stdin})) {
    let answer;
    try {
      const question = JSON.parse(line);
      answer = await kAnswers[question.op](question);
    } catch (error) {
      answer = {error: String(error.message || error)};
    }
    process.stdout.write(JSON.stringify(answer) + '\n');
  }
})();

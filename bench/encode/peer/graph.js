// node graph.js MODEL_FOLDER OUT.onnx FORM: writes the ONNX graph of a model folder, and OUT.onnx.data beside it, and
// answers {} when it is there.
//
// FORM is JSON: {"precision": "float32" | "int8", "weights": "s8" | "s7" | "u8", "attention": "plain" | "fused" |
// "heads", "fused": bool, "masked": bool}; each family's file says what they mean to it.
// In: input_ids and, where masked, attention_mask, int64 [batch, length], padded at the right. Out: [batch, hidden], the
// mean over the tokens or, for a decoder, the last token's.
'use strict';
const fs = require('fs');
const path = require('path');
const {Graph} = require('./onnx.js');
const {Weights} = require('./weights.js');
const {Linear} = require('./linear.js');

const kFamilies = {
  bert: (...all) => require('./bert.js').bert(...all),
  modernbert: (...all) => require('./modernbert.js').modernbert(...all),
  qwen3: (...all) => require('./qwen3.js').qwen3(...all),
};
const kDefaults = {precision: 'float32', weights: 's8', attention: 'fused', fused: true, masked: true};

// Mean over the tokens that the mask keeps.
function mean(graph, x, masked) {
  if (!masked) return graph.node('ReduceMean', [x, graph.integers(1)], {keepdims: 0}, {output: 'embedding'});
  const mask = graph.node('Cast', ['attention_mask'], {to: 1});
  const rows = graph.node('MatMul', [graph.node('Unsqueeze', [mask, graph.integers(1)]), x]);
  const sums = graph.node('Squeeze', [rows, graph.integers(1)]);
  const counts = graph.node('ReduceSum', [mask, graph.integers(1)], {keepdims: 1});
  return graph.node('Div', [sums, counts], {}, {output: 'embedding'});
}

function write(folder, out, form) {
  form = {...kDefaults, ...form};
  const config = JSON.parse(fs.readFileSync(path.join(folder, 'config.json')));
  const graph = new Graph(out);
  graph.input('input_ids', 'int64', ['batch', 'length']);
  if (form.masked) graph.input('attention_mask', 'int64', ['batch', 'length']);
  const weights = new Weights(path.join(folder, 'model.safetensors'));
  const x = kFamilies[config.model_type](graph, weights, config, new Linear(graph, form), form);
  if (config.model_type !== 'qwen3') mean(graph, x, form.masked);
  graph.output('embedding', 'float', ['batch', config.hidden_size]);
  graph.save();  // last: a graph that is there is complete
}

// A graph older than the scripts is written again.
function is_current(out) {
  if (!fs.existsSync(out)) return false;
  const written = fs.statSync(out).mtimeMs;
  return fs.readdirSync(__dirname).every((name) => fs.statSync(path.join(__dirname, name)).mtimeMs < written);
}

const [folder, out, form] = process.argv.slice(2);
if (!is_current(out)) {
  fs.rmSync(out, {force: true});
  write(folder, out, JSON.parse(form || '{}'));
}
console.log('{}');

// BERT. FORM.attention: 'plain' operators, 'fused' (com.microsoft Attention, one matrix for query, key and value), or
// 'heads' (MultiHeadAttention on three); FORM.fused: SkipLayerNormalization and BiasGelu instead of their parts.
'use strict';
const {quantized} = require('./linear.js');

function bert(graph, weights, config, linear, form) {
  const hidden = config.hidden_size, heads = config.num_attention_heads;
  const epsilon = {float: config.layer_norm_eps};
  const vector = (name) => {
    const {values, dims} = weights.get(name);
    return graph.constant(values, dims);
  };

  const norm = (x, name, skip = null, bias = '') => {
    const parameters = [vector(name + '.weight'), vector(name + '.bias')];
    if (skip !== null && form.fused) {
      return graph.microsoft('SkipLayerNormalization', [x, skip, ...parameters, bias], {epsilon});
    }
    if (bias) x = graph.node('Add', [x, bias]);
    if (skip !== null) x = graph.node('Add', [x, skip]);
    return graph.node('LayerNormalization', [x, ...parameters], {axis: -1, epsilon});
  };

  const length = graph.node('Shape', ['input_ids'], {start: 1, end: 2});
  const positions = graph.node(
    'Slice', [vector('embeddings.position_embeddings.weight'), graph.integers(0), length, graph.integers(0)]);
  const types = weights.get('embeddings.token_type_embeddings.weight');
  const type = graph.constant(types.values.subarray(0, hidden), [hidden]);
  let x = linear.gather(weights.get('embeddings.word_embeddings.weight'), 'input_ids');
  x = norm(graph.node('Add', [x, graph.node('Add', [positions, type])]), 'embeddings.LayerNorm');

  const mask = form.masked ? graph.node('Cast', ['attention_mask'], {to: 6}) : '';
  let bias = null;
  if (form.attention === 'plain' && form.masked) {
    const absent = graph.node('Sub', [graph.scalar(1), graph.node('Cast', ['attention_mask'], {to: 1})]);
    bias = graph.node('Unsqueeze', [graph.node('Mul', [absent, graph.scalar(-3.4e38)]), graph.integers(1, 2)]);
  }

  for (let i = 0; i < config.num_hidden_layers; ++i) {
    const layer = `encoder.layer.${i}.`;
    const self = ['query', 'key', 'value'].map((part) => `${layer}attention.self.${part}`);
    const biases = self.map((name) => name + '.bias');
    let attended;
    if (form.attention === 'fused') {
      const matrix = weights.transposed(self.map((name) => name + '.weight'));
      const joined = weights.joined(biases);
      const bias_name = graph.constant(joined.values, joined.dims);
      if (form.precision === 'int8') {
        const {codes, scales, zeros} = quantized(matrix, form.weights);
        const [rows, scale, zero] = linear.rows(x);
        attended = graph.microsoft('QAttention', [
          rows, graph.constant(codes, matrix.dims), bias_name, scale, graph.constant(scales, [3 * hidden]), mask, zero,
          graph.constant(zeros, [3 * hidden])], {num_heads: heads});
      } else {
        attended = graph.microsoft(
          'Attention', [x, graph.constant(matrix.values, matrix.dims), bias_name, mask], {num_heads: heads});
      }
    } else if (form.attention === 'heads') {
      const [q, k, v] = self.map((name) => linear.multiply(x, weights.transposed([name + '.weight'])));
      const joined = weights.joined(biases);
      attended = graph.microsoft(
        'MultiHeadAttention', [q, k, v, graph.constant(joined.values, joined.dims), mask], {num_heads: heads});
    } else {
      const split = graph.integers(0, 0, heads, hidden / heads);
      const [q, k, v] = self.map((name, which) => {
        const y = linear.biased(x, weights.transposed([name + '.weight']), weights.get(name + '.bias'));
        return graph.node('Transpose', [graph.node('Reshape', [y, split])], {perm: which === 1 ? [0, 2, 3, 1] : [0, 2, 1, 3]});
      });
      let scores = graph.node('Mul', [graph.node('MatMul', [q, k]), graph.scalar(1 / Math.sqrt(hidden / heads))]);
      if (bias) scores = graph.node('Add', [scores, bias]);
      const values = graph.node('MatMul', [graph.node('Softmax', [scores], {axis: -1}), v]);
      attended = graph.node(
        'Reshape', [graph.node('Transpose', [values], {perm: [0, 2, 1, 3]}), graph.integers(0, 0, hidden)]);
    }
    const output = linear.multiply(attended, weights.transposed([`${layer}attention.output.dense.weight`]));
    x = norm(output, `${layer}attention.output.LayerNorm`, x, vector(`${layer}attention.output.dense.bias`));

    const inner = linear.multiply(x, weights.transposed([`${layer}intermediate.dense.weight`]));
    const inner_bias = vector(`${layer}intermediate.dense.bias`);
    const active = form.fused ? graph.microsoft('BiasGelu', [inner, inner_bias])
                              : graph.node('Gelu', [graph.node('Add', [inner, inner_bias])]);
    const down = linear.multiply(active, weights.transposed([`${layer}output.dense.weight`]));
    x = norm(down, `${layer}output.LayerNorm`, x, vector(`${layer}output.dense.bias`));
  }
  return x;
}

module.exports = {bert};

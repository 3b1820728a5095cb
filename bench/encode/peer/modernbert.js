// ModernBERT, with com.microsoft's operators: RotaryEmbedding, MultiHeadAttention (a bias holds the local window), and
// SkipLayerNormalization, which also gives the sum that goes on.
'use strict';
const {rotary_tables, kPositions} = require('./rotary.js');

// 0 within the window, far below outside: [1, 1, length, length].
function window_bias(graph, window) {
  const values = new Float32Array(kPositions * kPositions);
  for (let i = 0; i < kPositions; ++i) {
    for (let j = 0; j < kPositions; ++j) values[i * kPositions + j] = Math.abs(i - j) <= window / 2 ? 0 : -1e30;
  }
  const length = graph.node('Shape', ['input_ids'], {start: 1, end: 2});
  const ends = graph.node('Concat', [length, length], {axis: 0});
  return graph.node('Slice', [
    graph.constant(values, [1, 1, kPositions, kPositions]), graph.integers(0, 0), ends, graph.integers(2, 3)]);
}

function modernbert(graph, weights, config, linear, form) {
  const hidden = config.hidden_size, heads = config.num_attention_heads, inner = config.intermediate_size;
  const epsilon = {float: config.norm_eps};
  const vector = (name) => graph.constant(weights.get(name).values, [hidden]);
  const zeros = graph.constant(new Float32Array(hidden), [hidden]);
  // [normalised, sum] of x + ADDED.
  const norm = (x, added, name) => graph.microsoft(
    'SkipLayerNormalization', [x, added, vector(name), zeros], {epsilon}, {wanted: [0, 3]});

  const rows = linear.gather(weights.get('embeddings.tok_embeddings.weight'), 'input_ids');
  let x = graph.node('LayerNormalization', [rows, vector('embeddings.norm.weight')], {axis: -1, epsilon});
  const mask = form.masked ? graph.node('Cast', ['attention_mask'], {to: 6}) : '';
  const local = window_bias(graph, config.local_attention);
  let added = null;
  for (let i = 0; i < config.num_hidden_layers; ++i) {
    const layer = `layers.${i}.`;
    const global = i % config.global_attn_every_n_layers === 0;
    let normed = x;  // the first layer's input has just been normalised
    if (i > 0) [normed, x] = norm(x, added, `${layer}attn_norm.weight`);
    const tables = rotary_tables(graph, hidden / heads, global ? config.global_rope_theta : config.local_rope_theta);
    const [q, k, v] = [0, 1, 2].map((part) => {
      const matrix = weights.rows(`${layer}attn.Wqkv.weight`, part * hidden, (part + 1) * hidden);
      const y = linear.multiply(normed, weights.transposed([matrix]));
      return part === 2 ? y : graph.microsoft('RotaryEmbedding', [y, graph.integers(0), ...tables], {num_heads: heads});
    });
    const attended = graph.microsoft(
      'MultiHeadAttention', [q, k, v, '', mask, global ? '' : local], {num_heads: heads});
    added = linear.multiply(attended, weights.transposed([`${layer}attn.Wo.weight`]));

    [normed, x] = norm(x, added, `${layer}mlp_norm.weight`);
    const [gate, up] = [0, 1].map((half) => {
      const matrix = weights.rows(`${layer}mlp.Wi.weight`, half * inner, (half + 1) * inner);
      return linear.multiply(normed, weights.transposed([matrix]));
    });
    const gated = graph.node('Mul', [graph.node('Gelu', [gate]), up]);
    added = linear.multiply(gated, weights.transposed([`${layer}mlp.Wo.weight`]));
  }
  return norm(x, added, 'final_norm.weight')[0];
}

module.exports = {modernbert};

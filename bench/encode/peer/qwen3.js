// Qwen3, with the operators that ONNX Runtime's own exports of decoders have: GroupQueryAttention (causal, rotary
// positions within), SimplifiedLayerNormalization (RMS) and its form with a sum. Ends with the last token's vector.
'use strict';
const {rotary_tables} = require('./rotary.js');

function qwen3(graph, weights, config, linear) {
  const hidden = config.hidden_size, heads = config.num_attention_heads, kv_heads = config.num_key_value_heads;
  const epsilon = {float: config.rms_norm_eps};
  const vector = (name) => {
    const {values, dims} = weights.get(name);
    return graph.constant(values, dims);
  };
  // [normalised, sum] of x + ADDED.
  const norm = (x, added, name) => graph.microsoft(
    'SkipSimplifiedLayerNormalization', [x, added, vector(name)], {epsilon}, {wanted: [0, 3]});
  const rms = (x, name) => graph.node('SimplifiedLayerNormalization', [x, vector(name)], {axis: -1, epsilon});
  const normed_heads = (x, count, name) => {
    const split = graph.node('Reshape', [x, graph.integers(0, 0, count, config.head_dim)]);
    return graph.node('Reshape', [rms(split, name), graph.integers(0, 0, count * config.head_dim)]);
  };

  const lengths = graph.node('ReduceSum', ['attention_mask', graph.integers(1)], {keepdims: 0});
  const last = graph.node('Sub', [lengths, graph.integers(1)]);
  const last32 = graph.node('Cast', [last], {to: 6});
  const longest = graph.node('Squeeze', [graph.node('Cast', [graph.node('Shape', ['input_ids'], {start: 1, end: 2})], {to: 6})]);
  const tables = rotary_tables(graph, config.head_dim, config.rope_theta);

  let x = linear.gather(weights.get('embed_tokens.weight'), 'input_ids');
  let added = null;
  for (let i = 0; i < config.num_hidden_layers; ++i) {
    const layer = `layers.${i}.`;
    let normed;
    if (i === 0) {
      normed = rms(x, `${layer}input_layernorm.weight`);
    } else {
      [normed, x] = norm(x, added, `${layer}input_layernorm.weight`);
    }
    const [q, k, v] = ['q', 'k', 'v'].map((part) =>
      linear.multiply(normed, weights.transposed([`${layer}self_attn.${part}_proj.weight`])));
    const [attended] = graph.microsoft(
      'GroupQueryAttention',
      [normed_heads(q, heads, `${layer}self_attn.q_norm.weight`), normed_heads(k, kv_heads, `${layer}self_attn.k_norm.weight`),
       v, '', '', last32, longest, ...tables],
      {num_heads: heads, kv_num_heads: kv_heads, do_rotary: 1}, {wanted: [0, 1, 2]});
    added = linear.multiply(attended, weights.transposed([`${layer}self_attn.o_proj.weight`]));

    [normed, x] = norm(x, added, `${layer}post_attention_layernorm.weight`);
    const [gate, up] = ['gate', 'up'].map((part) =>
      linear.multiply(normed, weights.transposed([`${layer}mlp.${part}_proj.weight`])));
    const gated = graph.node('Mul', [graph.node('Mul', [gate, graph.node('Sigmoid', [gate])]), up]);
    added = linear.multiply(gated, weights.transposed([`${layer}mlp.down_proj.weight`]));
  }
  // Of the last norm, only the last tokens' rows are needed.
  const places = graph.node('Unsqueeze', [last, graph.integers(1)]);
  const take = (rows) => graph.node('GatherND', [rows, places], {batch_dims: 1});
  const sum = graph.node('Add', [take(x), take(added)]);
  return graph.node(
    'SimplifiedLayerNormalization', [sum, vector('norm.weight')], {axis: -1, epsilon}, {output: 'embedding'});
}

module.exports = {qwen3};

// Linear layers, in float32 or as quantised exports have them: rows quantised as they come, weights once, per output.
'use strict';

// {codes, scales, zeros} of a matrix [ins, outs], one scale a column. KIND: 's8' symmetric bytes, 's7' symmetric in
// [-64, 64] (what processors without VNNI need, whose 16-bit sums overflow otherwise), 'u8' unsigned.
function quantized({values, dims: [ins, outs]}, kind) {
  const low = new Float32Array(outs), high = new Float32Array(outs);
  for (let i = 0, at = 0; i < ins; ++i) {
    for (let o = 0; o < outs; ++o, ++at) {
      if (values[at] < low[o]) low[o] = values[at];
      if (values[at] > high[o]) high[o] = values[at];
    }
  }
  const signed = kind !== 'u8';
  const codes = signed ? new Int8Array(values.length) : new Uint8Array(values.length);
  const zeros = signed ? new Int8Array(outs) : new Uint8Array(outs);
  const scales = new Float32Array(outs);
  const most = kind === 's7' ? 64 : 127;
  for (let o = 0; o < outs; ++o) {
    scales[o] = (signed ? Math.max(high[o], -low[o]) / most : (high[o] - low[o]) / 255) || 1;
    if (!signed) zeros[o] = Math.round(-low[o] / scales[o]);
  }
  for (let i = 0, at = 0; i < ins; ++i) {
    for (let o = 0; o < outs; ++o, ++at) {
      const code = Math.round(values[at] / scales[o]) + zeros[o];
      codes[at] = signed ? Math.max(-most, Math.min(most, code)) : Math.max(0, Math.min(255, code));
    }
  }
  return {codes, scales, zeros};
}

// FORM.precision: 'float32' or 'int8'; FORM.weights: a KIND of quantized().
class Linear {
  constructor(graph, form) {
    this.graph = graph;
    this.form = form;
    this.quantized_inputs = new Map();  // layers that share an input share its quantisation
  }

  // INPUT times MATRIX, without bias.
  multiply(input, matrix) {
    const {graph, form} = this;
    if (form.precision === 'float32') return graph.node('MatMul', [input, graph.constant(matrix.values, matrix.dims)]);
    const {codes, scales, zeros} = quantized(matrix, form.weights);
    const outs = matrix.dims[1];
    const [row, scale, zero] = this.rows(input);
    const sums = graph.node(
      'MatMulInteger', [row, graph.constant(codes, matrix.dims), zero, graph.constant(zeros, [outs])]);
    const factor = graph.node('Mul', [scale, graph.constant(scales, [outs])]);
    return graph.node('Mul', [graph.node('Cast', [sums], {to: 1}), factor]);
  }

  rows(input) {
    if (!this.quantized_inputs.has(input)) {
      this.quantized_inputs.set(input, this.graph.node('DynamicQuantizeLinear', [input], {}, {wanted: [0, 1, 2]}));
    }
    return this.quantized_inputs.get(input);
  }

  biased(input, matrix, bias) {
    return this.graph.node('Add', [this.multiply(input, matrix), this.graph.constant(bias.values, bias.dims)]);
  }

  // Rows of a table: as it is, or in bytes as quantised exports keep it.
  gather(table, ids) {
    const {graph, form} = this;
    if (form.precision === 'float32') return graph.node('Gather', [graph.constant(table.values, table.dims), ids]);
    let most = 0;
    for (const value of table.values) most = Math.max(most, Math.abs(value));
    const codes = new Uint8Array(table.values.length);
    const scale = most / 127;
    for (let i = 0; i < codes.length; ++i) codes[i] = Math.round(table.values[i] / scale) + 128;
    const rows = graph.node('Gather', [graph.constant(codes, table.dims), ids]);
    return graph.node('DequantizeLinear', [rows, graph.scalar(scale), graph.constant(Uint8Array.of(128), [])]);
  }
}

module.exports = {Linear, quantized};

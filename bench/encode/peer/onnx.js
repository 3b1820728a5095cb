// An ONNX graph, built node by node. Weights go to a file of their own beside it, from which ONNX Runtime maps them.
'use strict';
const fs = require('fs');
const path = require('path');
const {integer, float, bytes} = require('./protobuf.js');

const kTypes = {float: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9};
const kArrays = new Map([
  [Float32Array, 'float'], [Uint8Array, 'uint8'], [Int8Array, 'int8'], [Int32Array, 'int32'], [BigInt64Array, 'int64'],
]);
const kInlineBytes = 1024;  // smaller ones stay in the graph: shapes and scalars must, for it to be optimised
const kPage = 4096;

function attribute(name, value) {
  const head = [bytes(1, name)];
  if (typeof value === 'string') return bytes(5, [...head, bytes(4, value), integer(20, 3)]);
  if (Array.isArray(value)) return bytes(5, [...head, ...value.map((v) => integer(8, v)), integer(20, 7)]);
  if (typeof value === 'object') return bytes(5, [...head, float(2, value.float), integer(20, 1)]);
  return bytes(5, [...head, integer(3, value), integer(20, 2)]);
}

class Graph {
  // The weights go to FILE.data.
  constructor(file) {
    this.file = file;
    this.nodes = [];
    this.initializers = [];
    this.inputs = [];
    this.outputs = [];
    this.names = 0;
    this.constants = new Map();
    this.data = fs.openSync(file + '.data', 'w');
    this.offset = 0;
  }

  input(name, type, dims) {
    this.inputs.push(bytes(11, this.value(name, type, dims)));
    return name;
  }

  output(name, type, dims) {
    this.outputs.push(bytes(12, this.value(name, type, dims)));
  }

  value(name, type, dims) {
    const shape = dims.map((d) => bytes(1, [typeof d === 'string' ? bytes(2, d) : integer(1, d)]));
    return [bytes(1, name), bytes(2, [bytes(1, [integer(1, kTypes[type]), bytes(2, shape)])])];
  }

  // Attributes are integers, strings, lists of integers, or {float: x}. Inputs may be '' where one is left out. Returns
  // the output's name, OUTPUT where it is given; or, with WANTED, a list of the names of the outputs at those places.
  node(operator, inputs, attributes = {}, {domain = '', wanted = null, output = null} = {}) {
    const outputs = [];
    for (const place of wanted || [0]) {
      while (outputs.length < place) outputs.push('');
      outputs.push(output !== null ? output : `${operator}_${this.names++}`);
    }
    this.nodes.push(bytes(1, [
      ...inputs.map((name) => bytes(1, name)), ...outputs.map((name) => bytes(2, name)), bytes(4, operator),
      bytes(3, `node_${this.nodes.length}`),
      ...Object.entries(attributes).map(([key, value]) => attribute(key, value)),
      ...(domain ? [bytes(7, domain)] : []),
    ]));
    return wanted ? wanted.map((place) => outputs[place]) : outputs[0];
  }

  microsoft(operator, inputs, attributes = {}, options = {}) {
    return this.node(operator, inputs, attributes, {...options, domain: 'com.microsoft'});
  }

  // A tensor of fixed values.
  constant(values, dims) {
    const name = `constant_${this.names++}`;
    const raw = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    const parts = [
      ...dims.map((d) => integer(1, d)), integer(2, kTypes[kArrays.get(values.constructor)]), bytes(8, name)];
    if (raw.length <= kInlineBytes) {
      parts.push(bytes(9, raw));
    } else {
      this.offset = Math.ceil(this.offset / kPage) * kPage;
      const entry = (key, value) => bytes(13, [bytes(1, key), bytes(2, String(value))]);
      parts.push(entry('location', path.basename(this.file) + '.data'), entry('offset', this.offset),
                 entry('length', raw.length), integer(14, 1));
      for (let written = 0; written < raw.length;) {
        written += fs.writeSync(this.data, raw, written, Math.min(raw.length - written, 1 << 30), this.offset + written);
      }
      this.offset += raw.length;
    }
    this.initializers.push(bytes(5, parts));
    return name;
  }

  // Small constants, each kept once.
  once(key, make) {
    if (!this.constants.has(key)) this.constants.set(key, make());
    return this.constants.get(key);
  }
  integers(...values) {
    return this.once(`i${values}`, () => this.constant(BigInt64Array.from(values.map(BigInt)), [values.length]));
  }
  scalar(value) {
    return this.once(`f${value}`, () => this.constant(Float32Array.of(value), []));
  }

  save() {
    const graph = [
      ...this.nodes, bytes(2, 'encoder'), ...this.initializers, ...this.inputs, ...this.outputs];
    const opset = (domain, version) => bytes(8, [bytes(1, domain), integer(2, version)]);
    fs.writeFileSync(this.file, Buffer.concat([
      integer(1, 9), bytes(2, 'sextant bench/encode'), bytes(7, graph), opset('', 20), opset('com.microsoft', 1)]));
    fs.closeSync(this.data);
  }
}

module.exports = {Graph};

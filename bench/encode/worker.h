// bench/encode/worker.h: Sextant as a contestant: what `bench_encode --worker` answers to the lines it is asked.
//
//   {"op": "load", "folder": F, "compute": C, "threads": N} -> {"tier": T}
//   {"op": "set", "texts": [...], "texts_per_call": N}      -> {"tokens": [tokens of each text]}
//   {"op": "vectors"}                                       -> {"vectors": [[...], ...]}, one pass over the texts
//   {"op": "run", "seconds": S}                             -> {"passes": P, "seconds": wall, "cpu_seconds": C}
//   {"op": "peaks"}                                         -> {"peaks": [names]}: the arithmetic this machine has
//   {"op": "peak", "name": P, "threads": N, "seconds": S}   -> {"rate": operations a second, register resident}
// The peer answers the same questions, with padded batches of ids for texts (bench/encode/peer/peer.js).
#pragma once

namespace sextant::bench {

void run_worker();

}  // namespace sextant::bench

/* sextant/multi_index_c.h: sextant/multi_index.h, rows of several vectors each, for programs in C, and for every
 * language that can call C.
 *
 *   sextant_index_options options;
 *   sextant_index_options_init(&options);
 *   options.dim = 128;
 *   sextant_multi_index* index = NULL;
 *   if (sextant_multi_index_create(&options, &index) != SEXTANT_OK) return complain(sextant_last_error());
 *   sextant_multi_index_add(index, ids, counts, rows, vectors, 128, 0);
 *   sextant_hit hits[10];
 *   size_t found = 0;
 *   sextant_multi_index_search(index, queries, query_count, 128, 10, NULL, hits, &found, NULL);
 *   sextant_multi_index_free(index);
 *
 * A row's score (MaxSim) is the sum, over the query's vectors, of the greatest similarity that any of the row's vectors
 * has with it. Statuses, messages and ownership are those of sextant/index_c.h. Threads: search, contains, size,
 * vector_count and get_options may be called from many threads, also while one adds and removes: a search sees the rows
 * of one moment, a replaced row as it was or as it is. add, remove, calibrate and save wait for each other, and
 * contains for them. _free may be called when no other call is under way.
 */
#ifndef SEXTANT_MULTI_INDEX_C_H
#define SEXTANT_MULTI_INDEX_C_H

#include <stddef.h>
#include <stdint.h>

#include "sextant/index_c.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Vectors that a row, or a query, may have. */
#define SEXTANT_MULTI_VECTORS_MAX 65536

/* As sextant::MultiSearchOptions. To be filled by sextant_multi_search_options_init before anything is changed. */
typedef struct sextant_multi_search_options {
  size_t struct_bytes;                /* set by _init; says which version of the struct this is */
  double target_recall;               /* in (0, 1]; 1 asks for an exact search */
  size_t candidates;                  /* that each of the query's vectors looks for; 0: as target_recall needs */
  int exact;                          /* not 0: compare every row */
  const sextant_allowed_ids* allowed; /* of rows; NULL: all */
} sextant_multi_search_options;

/* How a search was answered; as sextant::MultiSearchResult. */
typedef struct sextant_multi_search_report {
  uint32_t plan;          /* SEXTANT_PLAN_SCAN: every allowed row was compared; else how the query's vectors looked */
  int exact;              /* 1 or 0 */
  size_t candidates;      /* that each of the query's vectors looked for */
  size_t rescored;        /* rows whose score was computed */
  size_t compared;        /* pairs of vectors, or of a vector and a code, that were compared */
  double expected_recall; /* as calibrated on the index's own rows */
} sextant_multi_search_report;

typedef struct sextant_multi_index sextant_multi_index;

/* options may not be NULL; else nothing happens. */
void sextant_multi_search_options_init(sextant_multi_search_options* options);

/* options are those of the index of all vectors: capacity counts vectors, and metric is SEXTANT_COSINE or SEXTANT_DOT,
 * for a sum of greatest distances would mean nothing. SEXTANT_INVALID_ARGUMENT names the option that is wrong. */
sextant_status sextant_multi_index_create(const sextant_index_options* options, sextant_multi_index** out);
/* A saved index, mapped read-only: add and remove are SEXTANT_UNSUPPORTED. verify, where not 0: compare its checksums;
 * load, where not 0: copy what walks look at into memory. SEXTANT_NOT_FOUND, SEXTANT_CORRUPTED: the message names the
 * file. */
sextant_status sextant_multi_index_open(const char* path, int verify, int load, sextant_multi_index** out);
void sextant_multi_index_free(sextant_multi_index* index);

/* rows rows under ids [rows]: row i has the next counts[i], 1 to SEXTANT_MULTI_VECTORS_MAX, of vectors
 * [sum of counts, dim], one after another. dim must be the index's own: it is said again so that a mistake is an error.
 * An id that is there already gets the new vectors; of equal ids the last one counts. Nothing is added where a
 * component is NaN, infinite or beyond the element type (SEXTANT_INVALID_ARGUMENT, by the row's number and the vector's
 * within it), there are more vectors than capacity (likewise), or room is missing (SEXTANT_EXHAUSTED). threads: 0 for
 * as many as the machine has, at most 1,024. */
sextant_status sextant_multi_index_add(sextant_multi_index* index, const uint64_t* ids, const size_t* counts,
                                       size_t rows, const float* vectors, size_t dim, size_t threads);
/* was_there, where not NULL, becomes 1 or 0. */
sextant_status sextant_multi_index_remove(sextant_multi_index* index, uint64_t id, int* was_there);

/* The k rows nearest to queries [count, dim], together one query of 1 to SEXTANT_MULTI_VECTORS_MAX vectors, best first:
 * hits has room for k, found becomes how many there are: k, or fewer where fewer are there or allowed. options NULL:
 * the defaults; report may be NULL. */
sextant_status sextant_multi_index_search(const sextant_multi_index* index, const float* queries, size_t count,
                                          size_t dim, size_t k, const sextant_multi_search_options* options,
                                          sextant_hit* hits, size_t* found, sextant_multi_search_report* report);

/* Measures on count of the index's own rows how many candidates reach which recall; 0 for 64, at most 100,000. Large
 * indexes take fewer, at least 8. Done by save where it was not done since the index doubled. threads as in add. */
sextant_status sextant_multi_index_calibrate(sextant_multi_index* index, size_t count, size_t threads);
sextant_status sextant_multi_index_save(sextant_multi_index* index, const char* path);

/* Rows, and vectors of all rows; 0 for NULL. */
size_t sextant_multi_index_size(const sextant_multi_index* index);
size_t sextant_multi_index_vector_count(const sextant_multi_index* index);
/* contains becomes 1 or 0. */
sextant_status sextant_multi_index_contains(const sextant_multi_index* index, uint64_t id, int* contains);
sextant_status sextant_multi_index_get_options(const sextant_multi_index* index, sextant_index_options* out);

#ifdef __cplusplus
}
#endif

#endif

/* sextant/index_c.h: sextant/index.h for programs in C, and for every language that can call C.
 *
 *   sextant_index_options options;
 *   sextant_index_options_init(&options);
 *   options.dim = 384;
 *   sextant_index* index = NULL;
 *   if (sextant_index_create(&options, &index) != SEXTANT_OK) return complain(sextant_last_error());
 *   sextant_index_add(index, ids, count, vectors, 384, 0);
 *   sextant_hit hits[10];
 *   size_t found = 0;
 *   sextant_index_search(index, query, 384, 10, NULL, hits, &found, NULL);
 *   sextant_index_free(index);
 *
 * Status: every call that can fail returns one, and on failure changes nothing that it was to fill in. A null pointer
 * where none is allowed and a size that cannot be meant are SEXTANT_INVALID_ARGUMENT. No exception leaves a call.
 * Ownership: what a call makes is freed by the _free of its name; freeing NULL does nothing. What is passed in is
 * copied, or read until the call returns: nothing is kept. Threads: search, search_batch, contains, size and options
 * may be called from many threads, also while one adds and removes; add, remove, calibrate and save wait for each
 * other. _free may be called when no other call is under way. The message of sextant_last_error is the calling thread's
 * own.
 */
#ifndef SEXTANT_INDEX_C_H
#define SEXTANT_INDEX_C_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* sextant::ErrorCode. Those for which the program has an exit status of their own have its number. */
typedef enum sextant_status {
  SEXTANT_OK = 0,
  SEXTANT_INTERNAL = 1,         /* a bug in Sextant */
  SEXTANT_INVALID_ARGUMENT = 2, /* the request is wrong: change it */
  SEXTANT_NOT_FOUND = 3,        /* what was named does not exist */
  SEXTANT_CORRUPTED = 4,        /* bytes on disk are not what their format says */
  SEXTANT_UNAVAILABLE = 5,      /* a resource cannot be reached now: try again later */
  SEXTANT_ALREADY_EXISTS = 6,   /* what would be made exists */
  SEXTANT_EXHAUSTED = 7,        /* a limit was reached: memory, disk, capacity */
  SEXTANT_UNSUPPORTED = 8       /* valid, but not something this build or format can do */
} sextant_status;

/* "ok", "invalid_argument", ...; "unknown" for other numbers. */
const char* sextant_status_name(sextant_status status);
/* What was wrong with this thread's last call that failed, in one line; "" where none did. Valid until this thread's
 * next failing call. */
const char* sextant_last_error(void);
/* "0.1.0" */
const char* sextant_version(void);

/* The numbers are those of the C++ enums of these names. */
enum { SEXTANT_COSINE = 0, SEXTANT_DOT = 1, SEXTANT_L2 = 2, SEXTANT_L1 = 3, SEXTANT_HAMMING = 4 };
enum {
  SEXTANT_FLOAT32 = 0,
  SEXTANT_FLOAT16 = 1,
  SEXTANT_BFLOAT16 = 2,
  SEXTANT_INT8 = 3,
  SEXTANT_UINT8 = 4,
  SEXTANT_BIT = 5
};
enum { SEXTANT_GRAPH_INDEX = 0, SEXTANT_FLAT_INDEX = 1 };
enum {
  SEXTANT_CODES_AUTOMATIC = 0,
  SEXTANT_CODES_NONE = 1,
  SEXTANT_CODES_SQ4 = 2,
  SEXTANT_CODES_SQ8 = 3,
  SEXTANT_CODES_SQ1 = 4
};
enum {
  SEXTANT_PLAN_SCAN = 0,
  SEXTANT_PLAN_CODE_SCAN = 1,
  SEXTANT_PLAN_GRAPH = 2,
  SEXTANT_PLAN_GRAPH_THEN_FILTER = 3,
  SEXTANT_PLAN_FILTERED_GRAPH = 4,
  SEXTANT_PLAN_PRODUCT_SCAN = 5
};

/* As sextant::IndexOptions. To be filled by sextant_index_options_init before anything is changed. */
typedef struct sextant_index_options {
  size_t struct_bytes;  /* set by _init; says which version of the struct this is */
  size_t dim;           /* components of a vector, 1 to 65,536 */
  uint32_t metric;      /* SEXTANT_COSINE, ... */
  uint32_t type;        /* SEXTANT_FLOAT32, ...: what vectors are stored as */
  uint32_t kind;        /* SEXTANT_GRAPH_INDEX, ... */
  uint32_t codes;       /* SEXTANT_CODES_AUTOMATIC, ... */
  size_t degree;        /* links a vector, 4 to 128 */
  size_t build_breadth; /* candidates looked at for each vector's links */
  size_t capacity;      /* vectors that may ever be in it, below 2^31 */
  uint64_t seed;
} sextant_index_options;

/* Ids that a search may return. Made once, used by any number of searches, in any threads. */
typedef struct sextant_allowed_ids sextant_allowed_ids;

/* As sextant::IndexSearchOptions. To be filled by sextant_search_options_init before anything is changed. */
typedef struct sextant_search_options {
  size_t struct_bytes;
  double target_recall;               /* in (0, 1]; 1 asks for an exact search */
  size_t breadth;                     /* candidates of a walk; 0: as target_recall needs */
  int exact;                          /* not 0: compare every vector */
  const sextant_allowed_ids* allowed; /* NULL: all */
  int estimate_recall;                /* not 0: expected_recall is of this walk, not of all that are as broad */
} sextant_search_options;

typedef struct sextant_hit {
  uint64_t id;
  float score;
} sextant_hit;

/* How a search was answered; as sextant::IndexSearchResult. */
typedef struct sextant_search_report {
  uint32_t plan; /* SEXTANT_PLAN_... */
  int exact;
  size_t breadth;
  size_t compared;
  double expected_recall;
} sextant_search_report;

typedef struct sextant_index sextant_index;

/* Calls below say what they throw in C++; here it is their status. options and out may not be NULL. */
void sextant_index_options_init(sextant_index_options* options);
void sextant_search_options_init(sextant_search_options* options);

sextant_status sextant_index_create(const sextant_index_options* options, sextant_index** out);
/* A saved index, mapped read-only: add and remove are SEXTANT_UNSUPPORTED. verify, where not 0: compare its checksums;
 * load, where not 0: copy what walks look at into memory. */
sextant_status sextant_index_open(const char* path, int verify, int load, sextant_index** out);
void sextant_index_free(sextant_index* index);

/* vectors [count, dim], row after row, under ids [count]. dim must be the index's own: it is said again so that a
 * mistake is an error. An id that is there already gets the new vector; of equal ids the last one counts. Nothing is
 * added where this fails. threads: 0 for as many as the machine has, at most 1,024. */
sextant_status sextant_index_add(sextant_index* index, const uint64_t* ids, size_t count, const float* vectors,
                                 size_t dim, size_t threads);
/* was_there, where not NULL, becomes 1 or 0. */
sextant_status sextant_index_remove(sextant_index* index, uint64_t id, int* was_there);

/* The k nearest to query [dim], best first: hits has room for k, found becomes how many there are. options NULL: the
 * defaults; report may be NULL. */
sextant_status sextant_index_search(const sextant_index* index, const float* query, size_t dim, size_t k,
                                    const sextant_search_options* options, sextant_hit* hits, size_t* found,
                                    sextant_search_report* report);

/* The same for queries [count, dim], row after row: query i's hits are hits[i * k] and on, best first, and found[i]
 * says how many they are: k, or fewer where fewer are there or allowed; room beyond them is left as it was. hits has
 * room for count * k, found for count; reports has room for count, or is NULL. options count for each query; with many
 * queries it is the faster way, and exact searches may be products of matrices (SEXTANT_PLAN_PRODUCT_SCAN). Any query
 * that is refused refuses all, by its number, and nothing is filled in. threads as in add. count 0 is answered with
 * nothing. */
sextant_status sextant_index_search_batch(const sextant_index* index, const float* queries, size_t count, size_t dim,
                                          size_t k, const sextant_search_options* options, size_t threads,
                                          sextant_hit* hits, size_t* found, sextant_search_report* reports);

/* Measures on count of the index's own vectors how broad a walk must be; 0 for 200, at most 100,000. */
sextant_status sextant_index_calibrate(sextant_index* index, size_t count, size_t threads);
sextant_status sextant_index_save(sextant_index* index, const char* path);

/* 0 for NULL. */
size_t sextant_index_size(const sextant_index* index);
sextant_status sextant_index_contains(const sextant_index* index, uint64_t id, int* contains);
sextant_status sextant_index_get_options(const sextant_index* index, sextant_index_options* out);

/* A bit an id: id i is bit i % 64 of words[i / 64]; ids from 64 * word_count on are not allowed. At most 2^32 words. */
sextant_status sextant_allowed_ids_create(const uint64_t* words, size_t word_count, sextant_allowed_ids** out);
void sextant_allowed_ids_free(sextant_allowed_ids* allowed);

#ifdef __cplusplus
}
#endif

#endif

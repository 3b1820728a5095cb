#include <sextant/index_c.h>
#include <sextant/multi_index_c.h>
#include <stdio.h>

int main(void) {
  const float vectors[] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, query[] = {0.1f, 0.9f, 0.2f};
  const uint64_t ids[] = {10, 20, 30};
  const size_t counts[] = {2, 1};
  sextant_index_options options;
  sextant_index* index = NULL;
  sextant_multi_index* rows = NULL;
  sextant_hit hits[2], each[3], row;
  size_t found = 0, found_each[3] = {0, 0, 0}, found_rows = 0;
  sextant_index_options_init(&options);
  options.dim = 3;
  if (sextant_index_create(&options, &index) != SEXTANT_OK ||
      sextant_index_add(index, ids, 3, vectors, 3, 1) != SEXTANT_OK ||
      sextant_index_search(index, query, 3, 2, NULL, hits, &found, NULL) != SEXTANT_OK ||
      sextant_index_search_batch(index, vectors, 3, 3, 1, NULL, 1, each, found_each, NULL) != SEXTANT_OK ||
      sextant_multi_index_create(&options, &rows) != SEXTANT_OK ||
      sextant_multi_index_add(rows, ids, counts, 2, vectors, 3, 1) != SEXTANT_OK ||
      sextant_multi_index_search(rows, vectors, 2, 3, 1, NULL, &row, &found_rows, NULL) != SEXTANT_OK) {
    fprintf(stderr, "%s\n", sextant_last_error());
    return 1;
  }
  sextant_multi_index_free(rows);
  sextant_index_free(index);
  printf("%u %.3f, %u %.3f; %u %.3f\n", (unsigned)hits[0].id, hits[0].score, (unsigned)hits[1].id, hits[1].score,
         (unsigned)row.id, row.score);
  if (found_each[0] != 1 || each[0].id != 10 || found_each[2] != 1 || each[2].id != 30) return 1;
  if (found_rows != 1 || row.id != 10) return 1;
  return found == 2 && hits[0].id == 20 && hits[1].id == 30 ? 0 : 1;
}

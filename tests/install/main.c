#include <sextant/index_c.h>
#include <stdio.h>

int main(void) {
  const float vectors[] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, query[] = {0.1f, 0.9f, 0.2f};
  const uint64_t ids[] = {10, 20, 30};
  sextant_index_options options;
  sextant_index* index = NULL;
  sextant_hit hits[2];
  size_t found = 0;
  sextant_index_options_init(&options);
  options.dim = 3;
  if (sextant_index_create(&options, &index) != SEXTANT_OK ||
      sextant_index_add(index, ids, 3, vectors, 3, 1) != SEXTANT_OK ||
      sextant_index_search(index, query, 3, 2, NULL, hits, &found, NULL) != SEXTANT_OK) {
    fprintf(stderr, "%s\n", sextant_last_error());
    return 1;
  }
  sextant_index_free(index);
  printf("%u %.3f, %u %.3f\n", (unsigned)hits[0].id, hits[0].score, (unsigned)hits[1].id, hits[1].score);
  return found == 2 && hits[0].id == 20 && hits[1].id == 30 ? 0 : 1;
}

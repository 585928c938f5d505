/* SPDX-License-Identifier: MIT */
#include "nat_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void nat_rows_init(struct nat_rows *rows, size_t size, size_t limit) {
  *rows = (struct nat_rows){.size = size, .limit = limit};
}

void nat_rows_free(struct nat_rows *rows) {
  free(rows->row);
  nat_rows_init(rows, rows->size, rows->limit);
}

int nat_rows_add(struct nat_rows *rows, const void *one) {
  if (rows->count == rows->limit)
    return -E2BIG;
  if (rows->count == rows->room) {
    size_t room = rows->room ? 2 * rows->room : 256;
    char *grown = realloc(rows->row, room * rows->size);

    if (!grown)
      return -ENOMEM;
    rows->row = grown;
    rows->room = room;
  }
  memcpy(rows->row + rows->count++ * rows->size, one, rows->size);
  return 0;
}

void nat_rows_sort(struct nat_rows *rows,
                   int (*compare)(const void *one, const void *other)) {
  if (rows->count > 1)
    qsort(rows->row, rows->count, rows->size, compare);
}

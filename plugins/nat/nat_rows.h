/* SPDX-License-Identifier: MIT
 *
 * A row of equal things that grows up to a bound (pure).
 */
#ifndef EGRESS_NAT_ROWS_H
#define EGRESS_NAT_ROWS_H

#include <stddef.h>

struct nat_rows {
  size_t size; /* of one */
  size_t count, room, limit;
  char *row;
};

void nat_rows_init(struct nat_rows *rows, size_t size, size_t limit);
void nat_rows_free(struct nat_rows *rows);

/* Returns 0, -E2BIG or -ENOMEM. */
int nat_rows_add(struct nat_rows *rows, const void *one);

void nat_rows_sort(struct nat_rows *rows,
                   int (*compare)(const void *one, const void *other));

static inline void *nat_rows_at(const struct nat_rows *rows, size_t place) {
  return rows->row + place * rows->size;
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * What the model of the ports keeps things in: its ring, and its table of destinations.
 */
#include "nat_given.h"

#include "nat_huge.h"
#include "nat_ring.h"

#include <errno.h>

static void test_ring_keeps_order_and_bound(void **state) {
  struct nat_ring *ring = calloc(1, sizeof(*ring));

  (void)state;
  assert_non_null(ring);
  for (uint64_t i = 0; i < NAT_RING_ENTRIES_MAX; i++)
    assert_int_equal(0, nat_ring_push(ring, nat_ring_entry((uint32_t)i % 1000, 0, 0)));
  assert_int_equal(-ENOSPC, nat_ring_push(ring, nat_ring_entry(0, 0, 0)));
  nat_ring_release(ring, NAT_RING_ENTRIES_MAX - 1);
  assert_int_equal((NAT_RING_ENTRIES_MAX - 1) % 1000,
                   nat_ring_at(ring, NAT_RING_ENTRIES_MAX - 1)->index);
  for (uint64_t i = 0; i < 3 * NAT_RING_BLOCK; i++) {
    assert_int_equal(0, nat_ring_push(ring, nat_ring_entry(7, 0, 0)));
    nat_ring_release(ring, ring->head - 1);
  }
  size_t blocks = 0;

  for (size_t i = 0; i < NAT_RING_BLOCKS_MAX; i++)
    blocks += ring->blocks[i] != NULL;
  assert_true(blocks <= 2);
  nat_ring_free(ring);
  free(ring);
}

/* Random insertions and removals against a plain row of flags. */
static void test_table_finds_what_is_in_it(void **state) {
  enum { ENDPOINTS = 300, PLACES = 200 };
  struct nat_table *table = NULL;
  uint32_t indexes[ENDPOINTS] = {0}, count = 0;
  bool shared;

  (void)state;
  assert_int_equal(0, nat_table_new(PLACES, (uint64_t)rand(), &table));
  for (unsigned i = 0; i < 20000; i++) {
    unsigned number = (unsigned)rand() % ENDPOINTS;
    const struct net_endpoint remote = endpoint(number);

    if (indexes[number] && rand() % 2) {
      nat_table_remove(table, indexes[number]);
      indexes[number] = 0;
      count--;
    } else if (indexes[number]) {
      assert_int_equal(indexes[number], nat_table_get(table, &remote, nat_table_hash(table, &remote)));
      nat_table_note_use(table, indexes[number]);
      assert_int_equal(indexes[number],
                       nat_table_by_address(table, &remote.address, &shared));
    } else {
      indexes[number] = nat_table_get(table, &remote, nat_table_hash(table, &remote));
      assert_true((indexes[number] == NAT_OTHER) == (count == PLACES));
      count += indexes[number] != NAT_OTHER;
    }
    assert_int_equal(count, nat_table_count(table));
  }
  nat_table_free(table);
}

/* Whatever the kernel thinks of it, it is memory like any other. */
static void test_memory_in_huge_pages(void **state) {
  const size_t size = NAT_HUGE_FROM + 4096;
  unsigned char *memory = nat_huge_alloc(size);

  (void)state;
  assert_non_null(memory);
  assert_int_equal(0, (uintptr_t)memory % NAT_HUGE_PAGE);
  memset(memory, 1, size);
  nat_huge_advise(memory, size);
  nat_huge_advise(memory + 1, NAT_HUGE_PAGE);
  nat_huge_advise(memory + 1, 0);
  nat_huge_advise(memory + 1, size - 1);
  for (size_t i = 0; i < size; i += 4095)
    assert_int_equal(1, memory[i]);
  free(memory);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ring_keeps_order_and_bound),
      cmocka_unit_test(test_table_finds_what_is_in_it),
      cmocka_unit_test(test_memory_in_huge_pages),
  };

  seed_random();
  return cmocka_run_group_tests_name("nat_table", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "nat_top.h"

#include <errno.h>
#include <stdlib.h>

static int compare_endpoints(const void *one, const void *other) {
  const struct nat_top_entry *left = one, *right = other;
  int order = memcmp(left->remote.address.bytes, right->remote.address.bytes,
                     sizeof(left->remote.address.bytes));

  return order != 0 ? order : (int)left->remote.port - (int)right->remote.port;
}

static bool is_shown(const struct nat_top *top, const struct nat_top_entry *entry) {
  return top->shown_count > 0 && bsearch(entry, top->shown, top->shown_count,
                                         sizeof(*entry), compare_endpoints) != NULL;
}

/* One that is shown counts for a quarter and one port more. */
static uint64_t weight(const struct nat_top *top, const struct nat_top_entry *entry) {
  uint64_t ports = entry->ports;

  return is_shown(top, entry) ? 5 * ports + 4 : 4 * ports;
}

static bool is_lighter(const struct nat_top *top, const struct nat_top_entry *one,
                       const struct nat_top_entry *other) {
  uint64_t left = weight(top, one), right = weight(top, other);

  return left != right ? left < right : compare_endpoints(one, other) > 0;
}

int nat_top_init(struct nat_top *top, uint32_t places, uint32_t minimum) {
  *top = (struct nat_top){.places = places, .minimum = minimum};
  if (places == 0)
    return 0;
  top->chosen = calloc(places, sizeof(*top->chosen));
  top->shown = calloc(places, sizeof(*top->shown));
  if (top->chosen && top->shown)
    return 0;
  nat_top_free(top);
  return -ENOMEM;
}

void nat_top_free(struct nat_top *top) {
  free(top->chosen);
  free(top->shown);
  *top = (struct nat_top){0};
}

static void swap(struct nat_top_entry *one, struct nat_top_entry *other) {
  struct nat_top_entry saved = *one;

  *one = *other;
  *other = saved;
}

static void sift_up(struct nat_top *top, size_t place) {
  while (place > 0 &&
         is_lighter(top, &top->chosen[place], &top->chosen[(place - 1) / 2])) {
    swap(&top->chosen[place], &top->chosen[(place - 1) / 2]);
    place = (place - 1) / 2;
  }
}

static void sift_down(struct nat_top *top) {
  size_t place = 0;

  for (;;) {
    size_t child = 2 * place + 1;

    if (child + 1 < top->count &&
        is_lighter(top, &top->chosen[child + 1], &top->chosen[child]))
      child++;
    if (child >= top->count || !is_lighter(top, &top->chosen[child], &top->chosen[place]))
      return;
    swap(&top->chosen[place], &top->chosen[child]);
    place = child;
  }
}

void nat_top_offer(struct nat_top *top, const struct net_endpoint *remote,
                   uint32_t ports) {
  struct nat_top_entry entry = {*remote, ports};

  if (ports == 0 || top->places == 0)
    return;
  if (ports < top->minimum && !(is_shown(top, &entry) && 2 * ports >= top->minimum))
    return;
  if (top->count < top->places) {
    top->chosen[top->count++] = entry;
    sift_up(top, top->count - 1);
  } else if (is_lighter(top, &top->chosen[0], &entry)) {
    top->chosen[0] = entry;
    sift_down(top);
  }
}

void nat_top_finish(struct nat_top *top) {
  struct nat_top_entry *last = top->shown;

  top->shown = top->chosen;
  top->shown_count = top->count;
  if (top->shown_count > 0)
    qsort(top->shown, top->shown_count, sizeof(*top->shown), compare_endpoints);
  top->chosen = last;
  top->count = 0;
}

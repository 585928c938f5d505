/* SPDX-License-Identifier: MIT */
#include "close_filter.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <stdlib.h>

/* Where an event has what is asked for: struct inet_diag_msg comes after the header of
 * the message. An IPv4 address is the first of four words. */
#define AT_FAMILY (NLMSG_HDRLEN + offsetof(struct inet_diag_msg, idiag_family))
#define AT_REMOTE (NLMSG_HDRLEN + offsetof(struct inet_diag_msg, id.idiag_dst))

#define DELIVER UINT32_MAX /* bytes of the message: all */
#define DROP 0u

/* What stands before the search; and how many instructions a range takes at most: two
 * edges, each with a comparison, the end that lies before it, and now and then a long
 * jump. */
#define PREAMBLE_MAX 32u
#define RANGE_MAX 5u

/* Addresses that bypass, from the first to the last. */
struct gap {
  uint32_t first, last;
};

/* --- Which addresses ------------------------------------------------------------------- */

static bool is_taken(const struct nat_config *config, uint32_t number) {
  const uint8_t bytes[] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16),
                           (uint8_t)(number >> 8), (uint8_t)number};
  const struct net_address address = net_address_from_ipv4(bytes);

  for (size_t i = 0; i < config->gateway_count; i++)
    if (!__atomic_load_n(&config->gateways[i].own_bypass, __ATOMIC_RELAXED) &&
        nat_traffic_takes(&config->gateways[i].traffic, &address))
      return true;
  return false;
}

static int compare_edges(const void *one, const void *other) {
  uint32_t left = *(const uint32_t *)one, right = *(const uint32_t *)other;

  return (left > right) - (left < right);
}

/* Between two neighbouring edges all addresses are treated alike. In order; the first is
 * 0. */
static size_t find_edges(const struct nat_config *config, uint32_t **edges) {
  size_t room = 1, count = 1;

  for (size_t i = 0; i < config->gateway_count; i++)
    room += nat_traffic_edges(&config->gateways[i].traffic, NULL);
  *edges = calloc(room, sizeof(**edges));
  if (!*edges)
    return 0;
  for (size_t i = 0; i < config->gateway_count; i++)
    count += nat_traffic_edges(&config->gateways[i].traffic, *edges + count);
  qsort(*edges, count, sizeof(**edges), compare_edges);
  return count;
}

/* The ranges that bypass, in order and with others between; no more than edges. */
static size_t find_gaps(const struct nat_config *config, const uint32_t *edges,
                        size_t edge_count, struct gap *gaps) {
  size_t count = 0;
  bool open = false;

  for (size_t i = 0; i < edge_count; i++) {
    bool taken = is_taken(config, edges[i]);

    if (open && taken)
      gaps[count - 1].last = edges[i] - 1;
    else if (!open && !taken)
      gaps[count++] = (struct gap){edges[i], UINT32_MAX};
    open = !taken;
  }
  return count;
}

static int compare_sizes(const void *one, const void *other) {
  const struct gap *left = one, *right = other;
  uint32_t left_size = left->last - left->first, right_size = right->last - right->first;

  return (left_size < right_size) - (left_size > right_size);
}

static int compare_gaps(const void *one, const void *other) {
  return compare_edges(&((const struct gap *)one)->first, &((const struct gap *)other)->first);
}

static size_t keep_largest(struct gap *gaps, size_t count, size_t most) {
  if (count <= most)
    return count;
  qsort(gaps, count, sizeof(*gaps), compare_sizes);
  qsort(gaps, most, sizeof(*gaps), compare_gaps);
  return most;
}

/* --- The program ------------------------------------------------------------------------- */

static void emit(struct close_filter *filter, uint16_t code, uint32_t k, uint8_t if_true,
                 uint8_t if_false) {
  filter->instructions[filter->length++] =
      (struct sock_filter){.code = code, .jt = if_true, .jf = if_false, .k = k};
}

static void load_remote(struct close_filter *filter, unsigned word) {
  emit(filter, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(AT_REMOTE + 4 * word), 0, 0);
}

/* On to the next instruction if the word is this one, else `otherwise` further. */
static void expect(struct close_filter *filter, uint32_t value, uint8_t otherwise) {
  emit(filter, BPF_JMP | BPF_JEQ | BPF_K, value, 0, otherwise);
}

static void finish(struct close_filter *filter, uint32_t verdict) {
  emit(filter, BPF_RET | BPF_K, verdict, 0, 0);
}

/* Leaves an IPv4 address in the accumulator. Of IPv6 NAT64's 64:ff9b::/96 is delivered,
 * v4-mapped ones are looked at, and no other takes a gateway. Loads give host order. */
static void begin(struct close_filter *filter) {
  emit(filter, BPF_LD | BPF_B | BPF_ABS, AT_FAMILY, 0, 0);
  expect(filter, AF_INET, 2);
  load_remote(filter, 0);
  emit(filter, BPF_JMP | BPF_JA, 14, 0, 0); /* to the search */
  expect(filter, AF_INET6, 10);             /* to DELIVER: not known */
  load_remote(filter, 1);
  expect(filter, 0, 9); /* from here on: to DROP */
  load_remote(filter, 0);
  expect(filter, 0x0064ff9b, 2);
  load_remote(filter, 2);
  emit(filter, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, 5);
  expect(filter, 0, 4);
  load_remote(filter, 2);
  expect(filter, 0xffff, 2);
  emit(filter, BPF_JMP | BPF_JA, 2, 0, 0); /* to the v4-mapped address */
  finish(filter, DELIVER);
  finish(filter, DROP);
  load_remote(filter, 3);
}

/* Where a gap begins or ends: edge 2 i and 2 i + 1 are those of gap i. */
static uint32_t edge_of(const struct gap *gaps, size_t edge) {
  return edge % 2 == 0 ? gaps[edge / 2].first : gaps[edge / 2].last + 1;
}

/* A binary search: what lies between the edges before `begin` and from `end` on. A jump
 * over more than 255 instructions takes one of its own. */
static void search(struct close_filter *filter, const struct gap *gaps, size_t begin,
                   size_t end) {
  size_t middle = begin + (end - begin) / 2, at = filter->length, left;
  struct sock_filter *branch = &filter->instructions[at];

  if (begin == end) {
    finish(filter, begin % 2 == 0 ? DELIVER : DROP);
    return;
  }
  emit(filter, BPF_JMP | BPF_JGE | BPF_K, edge_of(gaps, middle), 0, 0);
  search(filter, gaps, begin, middle);
  left = filter->length - at - 1;
  if (left <= UINT8_MAX) {
    branch->jt = (uint8_t)left;
  } else {
    memmove(branch + 2, branch + 1, left * sizeof(*branch));
    branch[1] = (struct sock_filter){.code = BPF_JMP | BPF_JA, .k = (uint32_t)left};
    branch->jf = 1;
    filter->length++;
  }
  search(filter, gaps, middle + 1, end);
}

int close_filter_make(const struct nat_config *config, size_t most,
                      struct close_filter *filter) {
  uint32_t *edges = NULL;
  size_t edge_count = find_edges(config, &edges), count;
  struct gap *gaps = calloc(edge_count + 1, sizeof(*gaps));
  int status = edges && gaps ? 0 : -ENOMEM;

  filter->length = 0;
  if (status == 0) {
    count = find_gaps(config, edges, edge_count, gaps);
    count = keep_largest(gaps, count, (most - PREAMBLE_MAX) / RANGE_MAX);
    begin(filter);
    /* The last gap may reach to the end: what would be its second edge is none. */
    search(filter, gaps, 0, 2 * count - (count > 0 && gaps[count - 1].last == UINT32_MAX));
  }
  free(edges);
  free(gaps);
  return status;
}

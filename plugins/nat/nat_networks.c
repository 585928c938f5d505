/* SPDX-License-Identifier: MIT */
#include "nat_networks.h"

#include <errno.h>
#include <stdlib.h>

void nat_networks_free(struct nat_networks *networks) {
  free(networks->ranges);
  *networks = (struct nat_networks){0};
}

static int compare(const struct net_address *one, const struct net_address *other) {
  return memcmp(one->bytes, other->bytes, sizeof(one->bytes));
}

static struct nat_range range_of(const struct net_prefix *prefix) {
  struct nat_range range = {prefix->base, prefix->base};

  for (unsigned bit = prefix->length; bit < 128; bit++)
    range.last.bytes[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
  return range;
}

/* The neighbour by `step`, 1 or -1; false at the end of all addresses. */
static bool neighbour(const struct net_address *address, int step,
                      struct net_address *result) {
  int carry = step;

  *result = *address;
  for (int i = 15; i >= 0 && carry != 0; i--) {
    int sum = result->bytes[i] + carry;

    result->bytes[i] = (uint8_t)sum;
    carry = sum > UINT8_MAX ? 1 : sum < 0 ? -1 : 0;
  }
  return carry == 0;
}

/* The place of the first range that does not end before the address. */
static size_t find(const struct nat_networks *networks,
                   const struct net_address *address) {
  size_t low = 0, high = networks->count;

  while (low < high) {
    size_t middle = low + (high - low) / 2;

    if (compare(&networks->ranges[middle].last, address) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* Puts `put_count` ranges in the place of those from `begin` to `end`. */
static int replace(struct nat_networks *networks, size_t begin, size_t end,
                   const struct nat_range *put, size_t put_count) {
  size_t count = networks->count - (end - begin) + put_count;

  if (count > NAT_NETWORKS_MAX)
    return -E2BIG;
  if (count > networks->room) {
    size_t room = count < 16 ? 16 : 2 * count;
    struct nat_range *grown = realloc(networks->ranges, room * sizeof(*grown));

    if (!grown)
      return -ENOMEM;
    networks->ranges = grown;
    networks->room = room;
  }
  if (count > 0) {
    memmove(&networks->ranges[begin + put_count], &networks->ranges[end],
            (networks->count - end) * sizeof(*put));
    memcpy(&networks->ranges[begin], put, put_count * sizeof(*put));
  }
  networks->count = count;
  return 0;
}

/* A range that overlaps others, or touches them, swallows them. */
static int add(struct nat_networks *networks, struct nat_range range) {
  struct net_address before, after;
  bool lowest = !neighbour(&range.first, -1, &before);
  bool highest = !neighbour(&range.last, 1, &after);
  size_t begin = find(networks, lowest ? &range.first : &before), end = begin;

  while (end < networks->count &&
         (highest || compare(&networks->ranges[end].first, &after) <= 0))
    end++;
  if (begin < end) {
    const struct nat_range *least = &networks->ranges[begin];
    const struct nat_range *most = &networks->ranges[end - 1];

    if (compare(&least->first, &range.first) < 0)
      range.first = least->first;
    if (compare(&most->last, &range.last) > 0)
      range.last = most->last;
  }
  return replace(networks, begin, end, &range, 1);
}

/* What is left of the first and of the last range that it cuts. */
static int cut(struct nat_networks *networks, const struct nat_range *range) {
  size_t begin = find(networks, &range->first), end = begin, count = 0;
  struct nat_range left[2];

  while (end < networks->count &&
         compare(&networks->ranges[end].first, &range->last) <= 0)
    end++;
  if (begin == end)
    return 0;
  if (compare(&networks->ranges[begin].first, &range->first) < 0) {
    left[count].first = networks->ranges[begin].first;
    neighbour(&range->first, -1, &left[count++].last);
  }
  if (compare(&networks->ranges[end - 1].last, &range->last) > 0) {
    left[count].last = networks->ranges[end - 1].last;
    neighbour(&range->last, 1, &left[count++].first);
  }
  return replace(networks, begin, end, left, count);
}

int nat_networks_add(struct nat_networks *networks, const struct net_prefix *prefix) {
  return add(networks, range_of(prefix));
}

int nat_networks_remove(struct nat_networks *networks, const struct net_prefix *prefix) {
  const struct nat_range range = range_of(prefix);

  return cut(networks, &range);
}

int nat_networks_add_all(struct nat_networks *networks,
                         const struct nat_networks *other) {
  int status = 0;

  for (size_t i = 0; i < other->count && status == 0; i++)
    status = add(networks, other->ranges[i]);
  return status;
}

int nat_networks_remove_all(struct nat_networks *networks,
                            const struct nat_networks *other) {
  int status = 0;

  for (size_t i = 0; i < other->count && status == 0; i++)
    status = cut(networks, &other->ranges[i]);
  return status;
}

bool nat_networks_contain(const struct nat_networks *networks,
                          const struct net_address *address) {
  size_t place = find(networks, address);

  return place < networks->count &&
         compare(&networks->ranges[place].first, address) <= 0;
}

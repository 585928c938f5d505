/* SPDX-License-Identifier: MIT */
#include "egress/nat_status.h"

#include <pthread.h>

/* The one place where egress_nat leaves what egress_probe asks for. */
static struct {
  pthread_mutex_t mutex;
  size_t count;
  nanoseconds until;
  struct nat_status_entry entries[NAT_STATUS_MAX];
  uint32_t ports_limit;
  nanoseconds limit_until;
} status = {.mutex = PTHREAD_MUTEX_INITIALIZER};

void nat_status_publish(const struct nat_status_entry *entries, size_t count,
                        nanoseconds until) {
  if (count > NAT_STATUS_MAX)
    count = NAT_STATUS_MAX;
  pthread_mutex_lock(&status.mutex);
  if (count > 0)
    memcpy(status.entries, entries, count * sizeof(*entries));
  status.count = count;
  status.until = until;
  pthread_mutex_unlock(&status.mutex);
}

bool nat_status_find(const struct net_endpoint *destination, nanoseconds now,
                     struct nat_status_entry *entry) {
  bool found = false;

  pthread_mutex_lock(&status.mutex);
  for (size_t i = 0; now < status.until && i < status.count && !found; i++) {
    found = net_endpoint_equal(&status.entries[i].destination, destination);
    if (found && entry)
      *entry = status.entries[i];
  }
  pthread_mutex_unlock(&status.mutex);
  return found;
}

void nat_status_publish_limit(uint32_t ports_limit, nanoseconds until) {
  pthread_mutex_lock(&status.mutex);
  status.ports_limit = ports_limit;
  status.limit_until = until;
  pthread_mutex_unlock(&status.mutex);
}

uint32_t nat_status_limit(nanoseconds now) {
  uint32_t limit;

  pthread_mutex_lock(&status.mutex);
  limit = now < status.limit_until ? status.ports_limit : 0;
  pthread_mutex_unlock(&status.mutex);
  return limit;
}

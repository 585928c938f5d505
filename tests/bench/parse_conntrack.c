/* SPDX-License-Identifier: MIT
 *
 * The conntrack table counted by protocol and TCP state with
 * libnetfilter_conntrack, as a program that uses this library would do it.
 * Prints "NANOSECONDS ENTRIES ESTABLISHED TIME_WAIT UDP": CPU time of the dump,
 * and what it has seen.
 */
#include <errno.h>
#include <error.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <time.h>

static struct {
  unsigned long entries;
  unsigned long tcp[TCP_CONNTRACK_MAX + 1];
  unsigned long protocols[IPPROTO_MAX];
} counts;

static int count(enum nf_conntrack_msg_type type, struct nf_conntrack *entry,
                 void *data) {
  uint8_t protocol = nfct_get_attr_u8(entry, ATTR_L4PROTO);

  (void)type;
  (void)data;
  counts.entries++;
  counts.protocols[protocol]++;
  if (protocol == IPPROTO_TCP) {
    uint8_t state = nfct_get_attr_u8(entry, ATTR_TCP_STATE);

    if (state <= TCP_CONNTRACK_MAX)
      counts.tcp[state]++;
  }
  return NFCT_CB_CONTINUE;
}

static long long cpu_now(void) {
  struct timespec now;

  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int main(void) {
  const uint32_t family = AF_UNSPEC;
  struct nfct_handle *handle = nfct_open(CONNTRACK, 0);
  long long begun;

  if (!handle)
    error(1, errno, "ctnetlink");
  nfct_callback_register(handle, NFCT_T_ALL, count, NULL);
  begun = cpu_now();
  if (nfct_query(handle, NFCT_Q_DUMP, &family) < 0)
    error(1, errno, "conntrack dump");
  printf("%lld %lu %lu %lu %lu\n", cpu_now() - begun, counts.entries,
         counts.tcp[TCP_CONNTRACK_ESTABLISHED], counts.tcp[TCP_CONNTRACK_TIME_WAIT],
         counts.protocols[IPPROTO_UDP]);
  nfct_close(handle);
  return 0;
}

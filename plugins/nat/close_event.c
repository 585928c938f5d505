/* SPDX-License-Identifier: MIT */
#include "close_event.h"

/* tcp_init_sock() sets the minimum round-trip time to this, and the first
 * acknowledgement, which is that of the SYN, replaces it (net/ipv4/tcp.c). */
#define NO_ROUND_TRIP UINT32_MAX

/* The sequence numbers of our SYN and of our FIN: bytes_acked counts them beside
 * the data (tcp_snd_una_update() in net/ipv4/tcp_input.c). */
#define SYN_AND_FIN 2

static bool has_field(const struct sock_diag_record *record, size_t end) {
  return record->info && record->info_size >= end;
}

#define HAS(record, field)                                                               \
  has_field(record, offsetof(struct tcp_info, field) +                                   \
                        sizeof(((struct tcp_info *)NULL)->field))

static bool never_connected(const struct sock_diag_record *record) {
  static const struct net_address none, none_ipv4 = {{[10] = 0xff, [11] = 0xff}};
  const struct net_address *remote = &record->remote.address;

  return net_address_equal(remote, &none) || net_address_equal(remote, &none_ipv4);
}

/* A kernel before 4.19 does not send what tells a reset: most closes are orderly. */
static enum close_event_kind classify_established(const struct sock_diag_record *record) {
  const struct tcp_info *info = record->info;

  if (!HAS(record, tcpi_bytes_retrans))
    return CLOSE_EVENT_ORDERLY;
  return (int64_t)(info->tcpi_bytes_acked - info->tcpi_bytes_sent +
                   info->tcpi_bytes_retrans) >= SYN_AND_FIN
             ? CLOSE_EVENT_ORDERLY
             : CLOSE_EVENT_RESET;
}

enum close_event_kind close_event_classify(const struct sock_diag_record *record) {
  if (never_connected(record))
    return CLOSE_EVENT_NONE;
  if (HAS(record, tcpi_min_rtt) && record->info->tcpi_min_rtt == NO_ROUND_TRIP)
    return record->info->tcpi_segs_in > 0 && record->remote.port != 0
               ? CLOSE_EVENT_REFUSED
               : CLOSE_EVENT_UNANSWERED;
  return record->remote.port == 0 ? CLOSE_EVENT_RESET : classify_established(record);
}

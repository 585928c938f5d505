/* SPDX-License-Identifier: MIT */
#include "transfer.h"

bool transfer_is_connecting(const struct transfer *transfer) {
  enum phase phase = phases_current(&transfer->phases);

  return phase == PHASE_DNS || phase == PHASE_CONNECT;
}

/* --- libcurl's own limit -------------------------------------------------------------- */

/* It only shares the time out among the addresses of a host, half of what is left for
 * each but the last; what is added keeps it from ending the attempt. That is for us to
 * do: libcurl looks at its clock before it looks at what came in. */
static CURLcode set_timeout(struct transfer *transfer) {
  nanoseconds limit = transfer->deadline - transfer->step_begun;
  long milliseconds = (long)((limit + limit / 8) / NANOSECONDS_PER_MILLISECOND) + 1;

  return curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS,
                          milliseconds > 0 ? milliseconds : 1L);
}

CURLcode transfer_begin_limit(struct transfer *transfer, nanoseconds now) {
  transfer->step_begun = now;
  return transfer_is_behind(transfer) ? CURLE_OK : set_timeout(transfer);
}

void transfer_lift_limit(struct transfer *transfer) {
  curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, 0L);
}

void transfer_excuse(struct transfer *transfer, nanoseconds absence) {
  transfer->absence += absence;
  transfer->deadline += absence;
  transfer->phases.begun += absence;
  transfer->phases.entered += absence;
  if (transfer_is_connecting(transfer))
    set_timeout(transfer);
}

/* --- ConnectTimeout --------------------------------------------------------------------- */

/* Of a hop behind another one: as long as that one is asked for it. */
static nanoseconds limit_now(const struct transfer *transfer) {
  const struct probe_hop *next = transfer_next_hop(transfer);
  const struct transfer_order *order = &transfer->order;

  if (transfer_is_connecting(transfer))
    return order->leg.entry < order->chain->hop_count
               ? transfer_hop_at(transfer, order->leg.entry)->connect_timeout
               : 0;
  return next && phases_current(&transfer->phases) == PHASE_TUNNEL ? next->connect_timeout
                                                                   : 0;
}

/* Name and TCP share one limit. */
static nanoseconds limit_begun(const struct transfer *transfer) {
  return transfer_is_connecting(transfer) && transfer->redirects == 0
             ? transfer->phases.begun
             : transfer->phases.entered;
}

/* Of the hops that are not spoken of yet the shortest: none can pass earlier. */
static nanoseconds shortest_left(const struct transfer *transfer) {
  nanoseconds shortest = 0;

  for (size_t i = transfer->place + 1; transfer->through && i <= transfer->last; i++) {
    nanoseconds limit = transfer_hop_at(transfer, i)->connect_timeout;

    if (limit > 0 && (shortest == 0 || limit < shortest))
      shortest = limit;
  }
  return shortest;
}

nanoseconds transfer_look(const struct transfer *transfer, nanoseconds now) {
  nanoseconds limit = limit_now(transfer), later = shortest_left(transfer);
  nanoseconds look = transfer->deadline;

  if (limit > 0 && limit_begun(transfer) + limit < look)
    look = limit_begun(transfer) + limit;
  if (later > 0 && now + later < look)
    look = now + later;
  return look;
}

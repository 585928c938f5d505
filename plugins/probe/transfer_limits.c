/* SPDX-License-Identifier: MIT */
#include "transfer.h"

/* --- libcurl's own limit -------------------------------------------------------------- */

/* It is there to share the time out among the addresses of a host, half of what is left
 * for each but the last. It has to be longer than ours, which end the attempts: libcurl
 * looks at its clock before it looks at what came in. */
static CURLcode set_timeout(struct transfer *transfer) {
  nanoseconds limit = transfer->deadline - transfer->step_begun;

  limit += limit / 8 > TRANSFER_ABSENCE_MIN ? limit / 8 : TRANSFER_ABSENCE_MIN;
  if (limit < TRANSFER_ABSENCE_MIN)
    limit = TRANSFER_ABSENCE_MIN;
  return curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS,
                          (long)(limit / NANOSECONDS_PER_MILLISECOND));
}

CURLcode transfer_begin_limit(struct transfer *transfer, nanoseconds now) {
  transfer->step_begun = transfer->connect_begun = now;
  transfer->limited = true;
  return set_timeout(transfer);
}

void transfer_lift_limit(struct transfer *transfer) {
  transfer->limited = false;
  curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, 0L);
}

/* --- The prober's own absence ----------------------------------------------------------- */

static nanoseconds absence_max(const struct transfer *transfer) {
  return TRANSFER_ABSENCE_MAX * transfer->order.chain->timeout;
}

/* At most the time since `begun`. */
static nanoseconds later(nanoseconds begun, nanoseconds absence, nanoseconds now) {
  return begun + (absence < now - begun ? absence : now - begun);
}

void transfer_excuse(struct transfer *transfer, nanoseconds absence, nanoseconds now) {
  if (transfer->absence >= absence_max(transfer))
    return;
  if (absence > now - transfer->begun)
    absence = now - transfer->begun;
  transfer->absence += absence;
  transfer->deadline += absence;
  transfer->connect_begun = later(transfer->connect_begun, absence, now);
  transfer->phases.entered = later(transfer->phases.entered, absence, now);
  if (transfer->limited)
    set_timeout(transfer);
}

/* What libcurl ends later than we had to, nobody could look at in time. */
bool transfer_was_absent(const struct transfer *transfer, CURLcode code, bool timed_out,
                         nanoseconds now) {
  if (timed_out)
    return transfer->absence >= absence_max(transfer);
  return code == CURLE_OPERATION_TIMEDOUT && transfer->limited && now > transfer->deadline;
}

/* --- ConnectTimeout --------------------------------------------------------------------- */

static bool is_connecting(const struct transfer *transfer) {
  return transfer->limited && !transfer_is_behind(transfer);
}

/* Of a hop behind another one: as long as that one is asked for it. */
static nanoseconds limit_now(const struct transfer *transfer) {
  const struct probe_hop *next = transfer_next_hop(transfer);
  const struct transfer_order *order = &transfer->order;

  if (is_connecting(transfer))
    return order->leg.entry < order->chain->hop_count
               ? transfer_hop_at(transfer, order->leg.entry)->connect_timeout
               : 0;
  return next && phases_current(&transfer->phases) == PHASE_TUNNEL ? next->connect_timeout
                                                                   : 0;
}

/* Name and TCP share one limit. */
static nanoseconds limit_begun(const struct transfer *transfer) {
  return is_connecting(transfer) ? transfer->connect_begun : transfer->phases.entered;
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
  nanoseconds limit = limit_now(transfer), left = shortest_left(transfer);
  nanoseconds look = transfer->deadline;

  if (limit > 0 && limit_begun(transfer) + limit < look)
    look = limit_begun(transfer) + limit;
  if (left > 0 && now + left < look)
    look = now + left;
  return look;
}

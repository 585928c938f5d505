/* SPDX-License-Identifier: MIT */
#include "parts.h"

#include "verdict.h"

/* All before `failed` worked, and nothing after it was reached. */
static void break_at(size_t failed, size_t count, enum part_state *states) {
  for (size_t i = 0; i < count; i++)
    states[i] = i < failed ? PART_WORKED : i == failed ? PART_FAILED : PART_NOT_REACHED;
}

/* The target itself was spoken to: everything before it did its work. */
static bool is_beyond_chain(const struct outcome *outcome) {
  return outcome->hop == OUTCOME_NO_HOP &&
         (outcome->phase == PHASE_TLS || outcome->phase == PHASE_TTFB ||
          outcome->phase == PHASE_TRANSFER);
}

/* Without an answer, a plain request through proxies ended nobody knows where. */
static bool is_silence(const struct outcome *outcome) {
  return outcome->result == RESULT_TIMEOUT && outcome->phase == PHASE_TTFB;
}

static void by_verdict(int location, size_t hop_count, enum part_state *states) {
  size_t count = PARTS_OF(hop_count);

  if (location == VERDICT_EGRESS)
    break_at(hop_count, count, states);
  else if (location == VERDICT_TARGET)
    break_at(hop_count + 1, count, states);
  else if (location >= VERDICT_HOP)
    break_at((size_t)(location - VERDICT_HOP), count, states);
}

void parts_of(const struct outcome *outcome, size_t hop_count, int location,
              enum part_state *states) {
  size_t count = PARTS_OF(hop_count);

  for (size_t i = 0; i < count; i++)
    states[i] = PART_NOT_REACHED;
  if (outcome->result == RESULT_OK)
    break_at(count, count, states);
  else if (is_beyond_chain(outcome) && !is_silence(outcome))
    break_at(hop_count + 1, count, states);
  else if (outcome->result == RESULT_LOCAL)
    return;
  else if (hop_count > 0 && (outcome_is_unreached(outcome) ||
                             outcome->phase == PHASE_PROXY_TLS))
    break_at(outcome->hop > 0 ? (size_t)outcome->hop : 0, count, states);
  else
    by_verdict(location, hop_count, states);
  /* Nested: those before the hop have opened their tunnels. */
  for (int i = 0; i < outcome->hop; i++)
    if (states[i] == PART_NOT_REACHED)
      states[i] = PART_WORKED;
}

/* SPDX-License-Identifier: MIT */
#include "schedule.h"

void schedule_begin(struct schedule *schedule, nanoseconds interval,
                    unsigned ladder_every, double random, nanoseconds now) {
  *schedule = (struct schedule){
      .interval = interval,
      .ladder_every = ladder_every,
      .first = now + (nanoseconds)(random * (double)interval),
  };
  schedule->next = schedule->first;
}

void schedule_round_begins(struct schedule *schedule, nanoseconds now) {
  schedule->begun = now;
}

bool schedule_wants_ladder(struct schedule *schedule,
                           const struct schedule_findings *findings) {
  bool due = schedule->rounds_until_ladder == 0;
  bool failure = findings->failed && (findings->changed || findings->pending);

  if (due || failure) {
    /* Without LadderEvery only the first round is due without a failure. */
    schedule->rounds_until_ladder =
        schedule->ladder_every > 0 ? schedule->ladder_every - 1 : 1;
    return true;
  }
  if (schedule->ladder_every > 0)
    schedule->rounds_until_ladder--;
  return false;
}

/* The grid's first point later than `time`. */
static nanoseconds next_on_grid(const struct schedule *schedule, nanoseconds time) {
  if (time < schedule->first)
    return schedule->first;
  return schedule->first +
         ((time - schedule->first) / schedule->interval + 1) * schedule->interval;
}

void schedule_round_ends(struct schedule *schedule, bool confirm, nanoseconds now) {
  nanoseconds next = next_on_grid(schedule, schedule->begun);

  if (next < now) /* the round took longer than its interval: skip, do not pile up */
    next = next_on_grid(schedule, now);
  if (confirm) {
    nanoseconds soon = schedule->begun + schedule->interval / 4;

    if (soon < now)
      soon = now;
    if (soon < next)
      next = soon;
  }
  schedule->next = next;
}

nanoseconds schedule_offset(const struct schedule *schedule, nanoseconds busy,
                            size_t index, size_t count) {
  nanoseconds spare = schedule->interval - busy;

  if (spare <= 0 || count < 2)
    return 0;
  /* A quarter of the spare time is kept for the machine to be late. */
  return (nanoseconds)((double)(spare - spare / 4) * (double)index / (double)count);
}

bool schedule_follows(size_t index) { return index % SCHEDULE_GROUP != 0; }

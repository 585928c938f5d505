/* SPDX-License-Identifier: MIT */
#include "deadlines.h"

void deadlines_init(struct deadlines *deadlines, nanoseconds now) {
  TAILQ_INIT(&deadlines->transfers);
  deadlines->present = now;
}

/* Nearly always the last place: looks come in the order of the starts. */
static void insert(struct deadlines *deadlines, struct transfer *transfer) {
  struct transfer *before = TAILQ_LAST(&deadlines->transfers, transfer_list);

  while (before && before->look > transfer->look)
    before = TAILQ_PREV(before, transfer_list, by_look);
  if (before)
    TAILQ_INSERT_AFTER(&deadlines->transfers, before, transfer, by_look);
  else
    TAILQ_INSERT_HEAD(&deadlines->transfers, transfer, by_look);
}

void deadlines_add(struct deadlines *deadlines, struct transfer *transfer,
                   nanoseconds now) {
  transfer->look = transfer_look(transfer, now);
  insert(deadlines, transfer);
}

void deadlines_remove(struct deadlines *deadlines, struct transfer *transfer) {
  if (transfer->look != NEVER)
    TAILQ_REMOVE(&deadlines->transfers, transfer, by_look);
  transfer->look = NEVER;
}

nanoseconds deadlines_next(const struct deadlines *deadlines, nanoseconds now) {
  const struct transfer *first = TAILQ_FIRST(&deadlines->transfers);

  if (!first)
    return NEVER;
  return first->look < now + DEADLINES_WAIT ? first->look : now + DEADLINES_WAIT;
}

struct transfer *deadlines_overdue(struct deadlines *deadlines) {
  nanoseconds now = deadlines->present;
  struct transfer *first;

  while ((first = TAILQ_FIRST(&deadlines->transfers)) && first->look <= now) {
    deadlines_remove(deadlines, first);
    if (transfer_look(first, now) <= now)
      return first;
    deadlines_add(deadlines, first, now);
  }
  return NULL;
}

/* --- Absence -------------------------------------------------------------------------- */

/* Some began less long ago, so their order may become another one. */
static void excuse(struct deadlines *deadlines, nanoseconds since, nanoseconds now) {
  struct transfer_list all = TAILQ_HEAD_INITIALIZER(all);
  struct transfer *transfer;

  TAILQ_CONCAT(&all, &deadlines->transfers, by_look);
  while ((transfer = TAILQ_FIRST(&all))) {
    TAILQ_REMOVE(&all, transfer, by_look);
    transfer_excuse(transfer, now - since, now);
    deadlines_add(deadlines, transfer, now);
  }
}

void deadlines_worked(struct deadlines *deadlines, nanoseconds now) {
  if (now - deadlines->present < TRANSFER_ABSENCE_MIN)
    return;
  excuse(deadlines, deadlines->present, now);
  deadlines->present = now;
}

void deadlines_waited(struct deadlines *deadlines, nanoseconds begun, nanoseconds due,
                      bool found, nanoseconds now) {
  if (due < begun)
    due = begun;
  deadlines_worked(deadlines, begun);
  if (now - due >= TRANSFER_ABSENCE_MIN)
    excuse(deadlines, found ? begun : due, now);
  deadlines->present = now;
}

/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* The first, 0, is `other`. A counter that appears at 1 hides its first event. */
static const int first_statuses[] = {0, 200, 301, 302, 403, 404, 500, 502, 503, 504};
#define FIRST_STATUSES (sizeof(first_statuses) / sizeof(first_statuses[0]))

const char *tls_option_name(enum tls_option option) {
  static const char *const names[] = {[TLS_CA_CERT] = "CACert",
                                      [TLS_CLIENT_CERT] = "ClientCert",
                                      [TLS_CLIENT_KEY] = "ClientKey"};

  return names[option];
}

void target_counters_init(struct target_counters *counters) {
  *counters = (struct target_counters){.status_count = FIRST_STATUSES};
  for (size_t i = 0; i < FIRST_STATUSES; i++)
    counters->statuses[i].status = first_statuses[i];
}

static void count_status(struct target_counters *counters, int status) {
  for (size_t i = 1; i < counters->status_count; i++)
    if (counters->statuses[i].status == status) {
      counters->statuses[i].count++;
      return;
    }
  if (status < 100 || status > 599 || counters->status_count == STATUS_COUNTS_MAX)
    counters->statuses[0].count++;
  else
    counters->statuses[counters->status_count++] =
        (struct status_count){.status = status, .count = 1};
}

void target_counters_add(struct target_counters *counters, enum result result,
                         int status, nanoseconds total) {
  counters->results[result]++;
  if (status != 0)
    count_status(counters, status);
  if (result == RESULT_OK)
    histogram_add(&counters->histogram, total);
}

int chain_report_init(struct chain_report *report, const struct probe_chain *chain) {
  *report = (struct chain_report){.target_count = chain->target_count};
  report->targets = calloc(chain->target_count, sizeof(report->targets[0]));
  if (!report->targets)
    return -ENOMEM;
  for (size_t i = 0; i < chain->target_count; i++)
    target_counters_init(&report->targets[i].counters);
  return 0;
}

void chain_report_clear(struct chain_report *report) {
  free(report->targets);
  *report = (struct chain_report){0};
}

static void copy_report(struct chain_report *to, const struct chain_report *from) {
  struct target_report *targets = to->targets;

  memcpy(targets, from->targets, from->target_count * sizeof(targets[0]));
  *to = *from;
  to->targets = targets;
}

struct board {
  pthread_mutex_t mutex;
  size_t count;
  struct chain_report *reports;
};

void board_free(struct board *board) {
  if (!board)
    return;
  for (size_t i = 0; i < board->count; i++)
    chain_report_clear(&board->reports[i]);
  free(board->reports);
  pthread_mutex_destroy(&board->mutex);
  free(board);
}

int board_new(const struct probe_config *config, struct board **board) {
  struct board *made = calloc(1, sizeof(*made));
  int result = 0;

  if (!made)
    return -ENOMEM;
  pthread_mutex_init(&made->mutex, NULL);
  made->reports = calloc(config->chain_count ? config->chain_count : 1,
                         sizeof(made->reports[0]));
  if (!made->reports)
    result = -ENOMEM;
  for (size_t i = 0; i < config->chain_count && result == 0; i++) {
    result = chain_report_init(&made->reports[i], &config->chains[i]);
    made->count = i + 1;
  }
  if (result < 0) {
    board_free(made);
    return result;
  }
  *board = made;
  return 0;
}

void board_publish(struct board *board, size_t chain, const struct chain_report *report) {
  pthread_mutex_lock(&board->mutex);
  copy_report(&board->reports[chain], report);
  pthread_mutex_unlock(&board->mutex);
}

void board_take(struct board *board, size_t chain, struct chain_report *report) {
  pthread_mutex_lock(&board->mutex);
  copy_report(report, &board->reports[chain]);
  pthread_mutex_unlock(&board->mutex);
}

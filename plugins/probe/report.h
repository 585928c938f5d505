/* SPDX-License-Identifier: MIT
 *
 * What the prober has found out about a chain, and the board on which its thread
 * leaves it for the read callback: copied whole under a mutex, so that neither
 * waits for the other's work.
 */
#ifndef EGRESS_REPORT_H
#define EGRESS_REPORT_H

#include "histogram.h"
#include "outcome.h"
#include "parts.h"
#include "probe_config.h"
#include "verdict.h"

#include <time.h>

/* --- One target ------------------------------------------------------------ */

/* Different statuses that are counted each for itself; more go to `other`. Those
 * that a rate is most asked for are there, at 0, from the start. */
#define STATUS_COUNTS_MAX 24

struct status_count {
  int status; /* 0: other */
  int64_t count;
};

struct target_counters {
  int64_t results[RESULT_COUNT];
  struct histogram histogram; /* of good probes' total */
  size_t status_count;
  struct status_count statuses[STATUS_COUNTS_MAX];
};

void target_counters_init(struct target_counters *counters);

/* Every attempt counts, retried or not. `status`: of the request's answer, 0 if
 * there was none. */
void target_counters_add(struct target_counters *counters, enum result result,
                         int status, nanoseconds total);

enum tls_option { TLS_CA_CERT, TLS_CLIENT_CERT, TLS_CLIENT_KEY };

/* As the configuration spells it. */
const char *tls_option_name(enum tls_option option);

/* A file of certificates or of a key that could not be used. */
struct tls_trouble {
  int error; /* errno, EINVAL: not a regular file, or not what is expected; 0: none */
  enum tls_option option;
  const char *file; /* the configuration's, or the system's */
};

/* What one attempt was like. Arrays by the hop's place in the chain. */
struct attempt_report {
  struct outcome outcome;
  struct phases phases;
  int connect_statuses[PROBE_CHAIN_HOPS_MAX], status; /* 0: none */
  nanoseconds rtt;                                    /* 0: not known */
  /* The ends of the certificates; 0: not seen. */
  time_t target_expiry, proxy_expiries[PROBE_CHAIN_HOPS_MAX];
  struct tls_trouble tls_trouble;
  nanoseconds absence; /* of the prober itself, which no limit counts */
};

struct target_report {
  bool known; /* probed in the last round */
  struct attempt_report last;
  enum part_state parts[PARTS_OF(PROBE_CHAIN_HOPS_MAX)];
  struct target_counters counters;
};

/* --- One chain --------------------------------------------------------------- */

struct verdict_change {
  unsigned serial; /* 0: none yet; grows with each change */
  bool raised;     /* else cleared */
  bool partial;    /* some target still works */
  char sentence[VERDICT_SENTENCE_SIZE];
};

struct chain_report {
  bool judged;              /* a round has been judged: `location` is known */
  int location;             /* the verdict that stands, see verdict.h */
  nanoseconds finished;     /* monotonic; of the last round */
  struct verdict_change change;
  int round_error;          /* errno: the last round could not begin; 0: it did */
  int hop_errors[PROBE_CHAIN_HOPS_MAX]; /* errno of PasswordFile; 0: none */
  struct tls_trouble tls_trouble;       /* of the last round */
  nanoseconds absence; /* in the attempt of the last round that had the most of it */
  size_t target_count;
  struct target_report *targets; /* controls included, never known */
};

/* Returns 0 or -ENOMEM. */
int chain_report_init(struct chain_report *report, const struct probe_chain *chain);
void chain_report_clear(struct chain_report *report);

/* --- The board ------------------------------------------------------------------ */

struct board;

/* Returns 0 or -ENOMEM. */
int board_new(const struct probe_config *config, struct board **board);
void board_free(struct board *board);

/* Copy a whole report; both sides were made for the same chain. */
void board_publish(struct board *board, size_t chain, const struct chain_report *report);
void board_take(struct board *board, size_t chain, struct chain_report *report);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Reading edge: everything that egress_nat reads, put together into one read. Decides
 * what is counted, sockets or conntrack, and changes over where that changes. A thread
 * of its own receives close events.
 */
#ifndef EGRESS_NAT_READER_H
#define EGRESS_NAT_READER_H

#include "nat_engine.h"
#include "nat_source.h"

#include <pthread.h>

struct nat_reader;

/* How the last read went. Errors are negative errno, 0 where all is well. */
struct nat_reading {
  enum nat_source source; /* what was counted: NAT_SOURCE_SOCKETS or _CONNTRACK */
  bool changed;    /* and it was the other one before, or this is the first read */
  int sockets;     /* the pass over the TCP sockets */
  int fallback;    /* 0, or why they come from /proc */
  int udp;
  int conntrack;   /* where it is counted, or is to be looked at */
  int events;      /* socket-close events, where sockets are counted */
  int thread;      /* that receives them; without it they are taken at each read */
  int addresses;   /* this machine's own */
  int recall;      /* connections closed before the start */
  uint64_t forgotten;      /* flows that were too many to be remembered */
  size_t events_buffer;    /* bytes; 0: none */
  nanoseconds reset_seen;  /* how long conntrack shows a reset connection */
};

/* `config` must outlive the reader; it changes under the mutex alone. Returns 0 or
 * -errno. */
int nat_reader_new(const struct nat_config *config, struct nat_reader **reader);
void nat_reader_free(struct nat_reader *reader); /* NULL is fine */

/* The engine, and what guards it and the configuration; the engine may be another one
 * after a read. */
struct nat_engine *nat_reader_engine(struct nat_reader *reader);
pthread_mutex_t *nat_reader_mutex(struct nat_reader *reader);

/* Other networks bypass the gateway from now on: exchanges those of its `traffic`, which is
 * the configuration's, with *bypass. Not during a read. */
void nat_reader_set_bypass(struct nat_reader *reader, struct nat_traffic *traffic,
                           struct nat_networks *bypass);

/* One read. Returns 0 and *engine, whose reports are valid until the next read; or
 * -errno: there is nothing to report. *reading is always filled. */
int nat_reader_read(struct nat_reader *reader, nanoseconds interval,
                    const struct nat_engine **engine, struct nat_reading *reading);

#endif

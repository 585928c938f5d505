/* SPDX-License-Identifier: MIT */
#include "nat_reader.h"

#include "close_events.h"
#include "nat_conntrack.h"
#include "nat_host.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

/* Reads between two looks at a conntrack table that is not what is counted. */
#define LOOK_EVERY 6u

/* Close events are stamped when they are taken out of the buffer, twenty times a
 * second. What conntrack tells is as exact as NAT_TRACK_PRECISION, and so is the moment
 * of a dump, which may take a quarter of a second. */
#define EVENTS_SLACK (100 * NANOSECONDS_PER_MILLISECOND)
#define CONNTRACK_SLACK (2 * NAT_TRACK_PRECISION)

/* Close events, and the thread that receives them, are tried again after this, and then
 * after twice as long each time. */
#define RETRY_FIRST (10 * NANOSECONDS_PER_SECOND)
#define RETRY_MOST (1800 * NANOSECONDS_PER_SECOND)

struct nat_reader {
  const struct nat_config *config;
  uint64_t seed;
  bool started;
  unsigned reads;
  struct nat_source_choice choice;
  struct flow_member *member;
  struct conntrack *conntrack; /* NULL: not open */
  struct nat_tracked *tracked; /* NULL: sockets are counted */
  struct nat_track_timeouts timeouts;
  pthread_mutex_t events_mutex; /* passes of other threads drain them */
  struct close_events *events; /* NULL: none to be had, or conntrack is counted */
  uint64_t discovered; /* as their filter has it, and the last summary */
  nanoseconds retry, pause;    /* when they are tried again; and how long after that */
  const struct flow_summary *last; /* retained for the engine */
  nanoseconds last_begun;
  struct nat_reading reading;
  pthread_mutex_t mutex;     /* guards what the events' thread touches: */
  struct nat_engine *engine; /* but its reports, which change in reads only */
};

/* --- Events ----------------------------------------------------------------------- */

static void take_events(const struct sock_diag_record *records, size_t count,
                        uint64_t lost, nanoseconds now, void *data) {
  struct nat_reader *reader = data;

  pthread_mutex_lock(&reader->mutex);
  for (size_t i = 0; i < count && reader->engine; i++)
    nat_engine_event(reader->engine, now, &records[i]);
  if (lost > 0 && reader->engine)
    nat_engine_lost(reader->engine, now, lost);
  pthread_mutex_unlock(&reader->mutex);
}

/* A summary says what is open; the events up to its begin say what has closed, and those
 * up to its end what it may have missed. On the thread of whoever makes the pass. */
static void drain(void *data) {
  struct nat_reader *reader = data;

  pthread_mutex_lock(&reader->events_mutex);
  if (reader->events)
    close_events_drain(reader->events);
  pthread_mutex_unlock(&reader->events_mutex);
}

static void set_events(struct nat_reader *reader, struct close_events *events) {
  pthread_mutex_lock(&reader->events_mutex);
  close_events_close(reader->events);
  reader->events = events;
  pthread_mutex_unlock(&reader->events_mutex);
}

/* What discovery may find out and passes go by: which gateways this machine's own
 * connections do not take, and which map by local endpoint. A bit each. */
static uint64_t find_discovered(const struct nat_config *config) {
  uint64_t discovered = 0;

  for (size_t i = 0; i < config->gateway_count; i++)
    discovered |= (uint64_t)config->gateways[i].own_bypass << i |
                  (uint64_t)config->gateways[i].endpoint_independent << (32 + i);
  return discovered;
}

/* Whether anything was; a summary from before is then of no use. */
static bool follow_discovery(struct nat_reader *reader) {
  uint64_t discovered = find_discovered(reader->config);
  bool changed = discovered != reader->discovered;

  if (reader->events && changed)
    close_events_refilter(reader->events, reader->config);
  reader->discovered = discovered;
  return changed;
}

/* Passes look at the configuration on threads of others: none, until the reader joins them
 * anew. */
void nat_reader_set_bypass(struct nat_reader *reader, struct nat_traffic *traffic,
                           struct nat_networks *bypass) {
  const struct nat_networks before = traffic->bypass;

  flow_share_leave(reader->member);
  reader->member = NULL;
  pthread_mutex_lock(&reader->mutex);
  traffic->bypass = *bypass;
  pthread_mutex_unlock(&reader->mutex);
  *bypass = before;
  if (reader->events)
    close_events_refilter(reader->events, reader->config);
}

static unsigned classify(const struct sock_diag_record *record, void *data) {
  const struct nat_reader *reader = data;

  return nat_engine_classify(reader->config, record);
}

/* --- Starting to count ---------------------------------------------------------------- */

static int replace_engine(struct nat_reader *reader,
                          const struct nat_engine_settings *settings) {
  struct nat_engine *made = NULL, *old;
  int status = nat_engine_new(reader->config, settings, &made);

  if (status < 0)
    return status;
  reader->reading.addresses = nat_host_read_addresses(made);
  pthread_mutex_lock(&reader->mutex);
  old = reader->engine;
  reader->engine = made;
  pthread_mutex_unlock(&reader->mutex);
  nat_engine_free(old);
  return 0;
}

static void open_events(struct nat_reader *reader) {
  struct close_events *opened = NULL;

  reader->reading.events =
      close_events_open(take_events, reader, reader->config, &opened);
  reader->reading.events_buffer = opened ? close_events_buffer(opened) : 0;
  set_events(reader, opened);
}

static void close_all_events(struct nat_reader *reader) {
  set_events(reader, NULL);
  reader->reading.events = reader->reading.thread = 0;
  reader->reading.events_buffer = 0;
}

/* Events first: from there on nothing that closes is missed. Then what had closed
 * before; and the thread last, when all it touches is there. Without it the events are
 * taken at each read, and their buffer must hold them for so long. */
static int start_with_sockets(struct nat_reader *reader) {
  struct nat_engine_settings settings = {.covered_since = {NAT_NEVER, NAT_NEVER},
                                         .slack = EVENTS_SLACK,
                                         .seed = reader->seed};
  nanoseconds subscribed = clock_now(CLOCK_MONOTONIC);
  int status;

  if (reader->events)
    settings.covered_since[NAT_TCP] = subscribed;
  status = replace_engine(reader, &settings);
  if (status < 0)
    return status;
  reader->reading.recall = nat_host_recall(reader->engine, reader->config, subscribed);
  reader->reading.thread = reader->events ? close_events_start(reader->events) : 0;
  return 0;
}

static int count_sockets(struct nat_reader *reader) {
  nat_tracked_free(reader->tracked);
  reader->tracked = NULL;
  reader->pause = RETRY_FIRST;
  reader->retry = clock_now(CLOCK_MONOTONIC) + reader->pause;
  open_events(reader);
  return start_with_sockets(reader);
}

/* Once there are events all is counted anew, for what was before is not known. */
static void retry_events(struct nat_reader *reader) {
  nanoseconds now = clock_now(CLOCK_MONOTONIC);

  if ((reader->events && reader->reading.thread == 0) || now < reader->retry)
    return;
  reader->pause = 2 * reader->pause < RETRY_MOST ? 2 * reader->pause : RETRY_MOST;
  reader->retry = now + reader->pause;
  if (reader->events) {
    reader->reading.thread = close_events_start(reader->events);
    return;
  }
  open_events(reader);
  if (reader->events && start_with_sockets(reader) < 0) {
    close_all_events(reader);
    reader->reading.events = -ENOMEM;
  }
}

/* The table itself remembers what has closed, for as long as its timeouts are. */
static int count_conntrack(struct nat_reader *reader) {
  nanoseconds now = clock_now(CLOCK_MONOTONIC);
  struct nat_engine_settings settings = {.slack = CONNTRACK_SLACK, .seed = reader->seed};

  close_all_events(reader);
  nat_tracked_free(reader->tracked);
  reader->tracked = NULL;
  reader->timeouts = nat_conntrack_timeouts();
  reader->reading.reset_seen = reader->timeouts.tcp[CONNTRACK_TCP_CLOSE];
  reader->reading.recall = 0;
  settings.covered_since[NAT_TCP] = now - reader->timeouts.tcp[CONNTRACK_TCP_CLOSE];
  settings.covered_since[NAT_UDP] = now - reader->timeouts.udp;
  if (nat_tracked_new(reader->config, reader->seed, &reader->tracked) < 0)
    return -ENOMEM;
  return replace_engine(reader, &settings);
}

static int begin_to_count(struct nat_reader *reader, enum nat_source source) {
  reader->reading.source = source;
  reader->reading.changed = true;
  return source == NAT_SOURCE_CONNTRACK ? count_conntrack(reader) : count_sockets(reader);
}

/* --- What is to be counted ------------------------------------------------------------ */

static uint64_t count_open(const struct nat_reader *reader,
                           const struct flow_summary *summary) {
  uint64_t open = 0;

  for (size_t i = 0; i < summary->remote_count; i++)
    if (!nat_engine_is_own(reader->engine, &summary->remotes[i].remote.address))
      open += summary->remotes[i].open;
  return open;
}

static int open_conntrack(struct nat_reader *reader) {
  return reader->conntrack ? 0 : conntrack_open(&reader->conntrack);
}

/* A look at a table that is not counted. One that cannot be read is none. */
static void survey(struct nat_reader *reader, const struct flow_summary *summary) {
  struct nat_source_view view = {.sockets = count_open(reader, summary)};
  int status = open_conntrack(reader);

  if (status == 0)
    status = nat_conntrack_survey(reader->conntrack, reader->config, reader->engine, &view);
  if (status == 0 &&
      nat_source_look(&reader->choice, &view) == NAT_SOURCE_CONNTRACK)
    begin_to_count(reader, NAT_SOURCE_CONNTRACK);
}

static void look_back(struct nat_reader *reader, const struct flow_summary *summary) {
  const struct nat_tracked_counts counts = nat_tracked_counts(reader->tracked);
  const struct nat_source_view view = {.sockets = count_open(reader, summary),
                                       .tracked = counts.own,
                                       .forwarded = counts.forwarded};

  reader->reading.forgotten = counts.forgotten;
  if (reader->config->source == NAT_SOURCE_AUTO &&
      nat_source_look(&reader->choice, &view) == NAT_SOURCE_SOCKETS)
    begin_to_count(reader, NAT_SOURCE_SOCKETS);
}

/* --- One read ------------------------------------------------------------------------------ */

static int join_pass(struct nat_reader *reader) {
  nanoseconds period = nat_config_idle_period(reader->config);
  const struct flow_needs needs = {.tcp_info = period > 0,
                                   .tcp_info_period = period,
                                   .classify = classify,
                                   .before_pass = drain,
                                   .after_pass = drain,
                                   .data = reader};

  return reader->member ? 0 : flow_share_join(&needs, &reader->member);
}

static int take_summary(struct nat_reader *reader, nanoseconds interval,
                        const struct flow_summary **summary) {
  nanoseconds age = follow_discovery(reader) ? 0 : interval / 2;
  int status = join_pass(reader);

  return status == 0 ? flow_share_take(reader->member, age, summary, NULL) : status;
}

/* Under the mutex. */
static void read_sockets(struct nat_reader *reader, const struct flow_summary *summary) {
  struct nat_engine *engine = reader->engine;

  if (nat_engine_lost_lately(engine) > 0)
    nat_host_heal(engine, reader->config, reader->last_begun);
  nat_engine_begin(engine, summary->begun, summary->tcp_info);
  nat_engine_take_sockets(engine, summary, true);
  reader->reading.udp = nat_host_read_udp(engine, reader->config);
  nat_engine_finish(engine);
  reader->last_begun = summary->begun;
}

/* Under the mutex. A dump that failed part way would look like a mass of closes. */
static int read_conntrack(struct nat_reader *reader, const struct flow_summary *summary) {
  struct nat_engine *engine = reader->engine;
  nanoseconds begun = clock_now(CLOCK_MONOTONIC);
  bool partial = false, merged = nat_engine_begin(engine, begun, true);
  int status = open_conntrack(reader);

  nat_tracked_begin(reader->tracked, begun, merged);
  if (status == 0)
    status = nat_conntrack_read(reader->conntrack, reader->tracked, engine,
                                &reader->timeouts, &partial);
  if (status == 0 && partial)
    status = -EINTR;
  nat_engine_take_sockets(engine, summary, false);
  if (status < 0)
    return status;
  nat_tracked_finish(reader->tracked, engine, &reader->timeouts);
  nat_engine_measure(engine, NAT_UDP);
  nat_engine_finish(engine);
  return 0;
}

static int read_source(struct nat_reader *reader, const struct flow_summary *summary) {
  int status = 0;

  pthread_mutex_lock(&reader->mutex);
  reader->reading.addresses = nat_host_read_addresses(reader->engine);
  if (reader->tracked)
    status = read_conntrack(reader, summary);
  else
    read_sockets(reader, summary);
  flow_summary_release(reader->last);
  reader->last = flow_summary_retain(summary);
  pthread_mutex_unlock(&reader->mutex);
  return status;
}

static int start(struct nat_reader *reader) {
  enum nat_source first = reader->config->source == NAT_SOURCE_CONNTRACK
                              ? NAT_SOURCE_CONNTRACK
                              : NAT_SOURCE_SOCKETS;

  reader->started = true;
  reader->choice.now = first;
  join_pass(reader); /* before the first pass, which another plugin may make */
  return begin_to_count(reader, first);
}

/* With conntrack failing, `auto` goes back to the sockets. */
static int start_over(struct nat_reader *reader, int status) {
  bool sockets = reader->config->source == NAT_SOURCE_AUTO;

  reader->reading.conntrack = status;
  if (sockets)
    reader->choice = (struct nat_source_choice){.now = NAT_SOURCE_SOCKETS};
  begin_to_count(reader, sockets ? NAT_SOURCE_SOCKETS : NAT_SOURCE_CONNTRACK);
  return status;
}

static int read_all(struct nat_reader *reader, nanoseconds interval,
                    const struct flow_summary **summary) {
  int status;

  if (!reader->tracked)
    retry_events(reader);
  status = take_summary(reader, interval, summary);
  reader->reading.sockets = status;
  if (status < 0)
    return status;
  reader->reading.fallback = (*summary)->fallback;
  if (!reader->tracked && reader->config->source == NAT_SOURCE_AUTO &&
      (reader->reads++ % LOOK_EVERY == 0 || !reader->choice.decided))
    survey(reader, *summary);
  status = read_source(reader, *summary);
  if (status < 0)
    return start_over(reader, status);
  reader->reading.conntrack = 0;
  if (reader->tracked)
    look_back(reader, *summary);
  return 0;
}

struct nat_engine *nat_reader_engine(struct nat_reader *reader) { return reader->engine; }

pthread_mutex_t *nat_reader_mutex(struct nat_reader *reader) { return &reader->mutex; }

int nat_reader_read(struct nat_reader *reader, nanoseconds interval,
                    const struct nat_engine **engine, struct nat_reading *reading) {
  const struct flow_summary *summary = NULL;
  int status;

  status = read_all(reader, interval, &summary);
  flow_summary_release(summary);
  *engine = reader->engine;
  *reading = reader->reading;
  reader->reading.changed = false;
  return status;
}

/* --- Life ----------------------------------------------------------------------------------- */

int nat_reader_new(const struct nat_config *config, struct nat_reader **reader) {
  struct nat_reader *made = calloc(1, sizeof(*made));
  int status;

  if (!made)
    return -ENOMEM;
  made->config = config;
  made->discovered = find_discovered(config);
  pthread_mutex_init(&made->mutex, NULL);
  pthread_mutex_init(&made->events_mutex, NULL);
  if (getrandom(&made->seed, sizeof(made->seed), GRND_NONBLOCK) < 0)
    made->seed = (uint64_t)clock_now(CLOCK_REALTIME);
  status = start(made);
  if (status < 0)
    nat_reader_free(made);
  else
    *reader = made;
  return status;
}

void nat_reader_free(struct nat_reader *reader) {
  if (!reader)
    return;
  flow_share_leave(reader->member);
  set_events(reader, NULL);
  conntrack_close(reader->conntrack);
  nat_tracked_free(reader->tracked);
  nat_engine_free(reader->engine);
  flow_summary_release(reader->last);
  pthread_mutex_destroy(&reader->mutex);
  pthread_mutex_destroy(&reader->events_mutex);
  free(reader);
}

/* SPDX-License-Identifier: MIT */
#include "engine.h"

#include "egress/address.h"

#include "chain_run.h"
#include "deadlines.h"
#include "poll_token.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 64

struct engine {
  const struct probe_config *config;
  struct transfer_host host; /* epoll -1: none */
  int wake;                  /* -1: none */
  nanoseconds curl_timer; /* when libcurl wants to be called; NEVER */
  bool stopping;
  struct budget budget;
  size_t active_count;
  size_t names_waiting; /* to be asked for when libcurl is called next */
  size_t run_count;
  struct chain_run **runs;
  struct transfer_list active; /* in the multi handle */
  struct deadlines deadlines;
  pthread_t thread;
};

static nanoseconds now(void) { return clock_now(CLOCK_MONOTONIC); }

/* --- libcurl's sockets and timer ---------------------------------------------------- */

/* `watched`: whether epoll should know the socket. It may not: some versions of libcurl
 * close one without a word, and then have another one by the same number. */
static void watch_socket(struct engine *engine, int socket, uint32_t events, bool watched) {
  struct epoll_event event = {.events = events, .data.u64 = poll_token_of_socket(socket)};
  int epoll = engine->host.epoll;

  if (epoll_ctl(epoll, watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &event) < 0 &&
      (errno == ENOENT || errno == EEXIST) &&
      epoll_ctl(epoll, watched ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, socket, &event) < 0)
    return;
  if (!watched)
    curl_multi_assign(engine->host.multi, socket, engine);
}

static int on_multi_socket(CURL *easy, curl_socket_t socket, int what, void *data,
                           void *watched) {
  struct engine *engine = data;
  uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0u) |
                    (what & CURL_POLL_OUT ? EPOLLOUT : 0u);

  (void)easy;
  if (what == CURL_POLL_REMOVE)
    epoll_ctl(engine->host.epoll, EPOLL_CTL_DEL, socket, NULL);
  else
    watch_socket(engine, socket, events, watched != NULL);
  return 0;
}

static int on_multi_timer(CURLM *multi, long milliseconds, void *data) {
  struct engine *engine = data;

  (void)multi;
  engine->curl_timer =
      milliseconds < 0 ? NEVER : now() + milliseconds * NANOSECONDS_PER_MILLISECOND;
  return 0;
}

/* --- Transfers ------------------------------------------------------------------------ */

/* Of a proxy, or straight out of the target. */
static bool needs_resolver(const struct transfer_order *order) {
  const struct probe_chain *chain = order->chain;
  const struct leg *leg = &order->leg;
  const struct probe_url *url = leg->entry < chain->hop_count
                                    ? &order->config->hops[chain->hops[leg->entry]].url
                                    : &chain->targets[leg->target].url;
  struct net_address literal;

  return net_address_parse(url->host, &literal) < 0;
}

/* What is kept free for the other chains, that one whose probes all hang does not
 * hold them up: an equal share each, or less if a chain has less to do. */
static size_t kept_for_others(const struct engine *engine, const struct chain_run *run) {
  size_t share = engine->budget.transfers / engine->run_count, kept = 0;

  for (size_t i = 0; i < engine->run_count; i++) {
    size_t wanted = engine->config->chains[i].target_count;
    size_t active = chain_run_active(engine->runs[i]);

    if (wanted > share)
      wanted = share;
    if (engine->runs[i] != run && wanted > active)
      kept += wanted - active;
  }
  return kept;
}

static int send_transfer(void *data, struct chain_run *run,
                         const struct transfer_order *order, nanoseconds time) {
  struct engine *engine = data;
  struct transfer *transfer = NULL;
  bool names = needs_resolver(order);
  int result;

  if (engine->active_count + kept_for_others(engine, run) >= engine->budget.transfers &&
      engine->active_count > 0)
    return -EAGAIN;
  if (names && !budget_has_thread(&engine->budget, engine->names_waiting))
    return -EBUSY;
  result = transfer_new(order, &engine->host, time, &transfer);
  if (result < 0)
    return result;
  transfer->owner = run;
  TAILQ_INSERT_TAIL(&engine->active, transfer, active);
  engine->active_count++;
  engine->names_waiting += names;
  deadlines_add(&engine->deadlines, transfer, time);
  return 0;
}

static void end_transfer(struct engine *engine, struct transfer *transfer, CURLcode code,
                         bool timed_out) {
  bool goes_on = transfer_finish(transfer, code, timed_out, now());

  deadlines_remove(&engine->deadlines, transfer);
  if (goes_on) {
    deadlines_add(&engine->deadlines, transfer, now());
    return;
  }
  TAILQ_REMOVE(&engine->active, transfer, active);
  engine->active_count--;
  chain_run_ended(transfer->owner, transfer, now());
  transfer_free(transfer);
}

static void collect_ended(struct engine *engine) {
  CURLMsg *message;
  int left = 0;

  while ((message = curl_multi_info_read(engine->host.multi, &left))) {
    void *transfer = NULL;

    if (message->msg != CURLMSG_DONE)
      continue;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    end_transfer(engine, transfer, message->data.result, false);
  }
}

static void end_overdue(struct engine *engine) {
  struct transfer *transfer;

  while ((transfer = deadlines_overdue(&engine->deadlines)))
    end_transfer(engine, transfer, CURLE_OK, true);
}

/* --- The thread ---------------------------------------------------------------------------- */

static nanoseconds advance(struct engine *engine) {
  nanoseconds next = NEVER, look;

  for (size_t i = 0; i < engine->run_count; i++) {
    nanoseconds wanted = chain_run_advance(engine->runs[i], now());

    if (wanted < next)
      next = wanted;
  }
  look = deadlines_next(&engine->deadlines, now());
  if (look < next)
    next = look;
  return engine->curl_timer < next ? engine->curl_timer : next;
}

/* Rounded up: to be called early is to be called twice. */
static int milliseconds_until(nanoseconds time, nanoseconds now) {
  nanoseconds left = time == NEVER ? NEVER : time - now;

  if (left <= 0)
    return 0;
  if (left > 1000 * NANOSECONDS_PER_SECOND)
    return 1000 * 1000;
  return (int)((left + NANOSECONDS_PER_MILLISECOND - 1) / NANOSECONDS_PER_MILLISECOND);
}

static void handle_event(struct engine *engine, const struct epoll_event *event) {
  struct relay *relay = poll_token_relay(event->data.u64);
  int descriptor = poll_token_socket(event->data.u64);
  int running = 0, mask = 0;

  deadlines_worked(&engine->deadlines, now());
  if (relay) {
    relay_pump(relay);
    return;
  }
  if (descriptor == engine->wake) {
    engine->stopping = true;
    return;
  }
  if (event->events & EPOLLIN)
    mask |= CURL_CSELECT_IN;
  if (event->events & EPOLLOUT)
    mask |= CURL_CSELECT_OUT;
  if (event->events & (EPOLLERR | EPOLLHUP))
    mask |= CURL_CSELECT_ERR;
  curl_multi_socket_action(engine->host.multi, descriptor, mask, &running);
}

static int wait_for_events(struct engine *engine, struct epoll_event *events) {
  nanoseconds due = advance(engine), begun = now();
  int count = epoll_wait(engine->host.epoll, events, EVENTS_AT_ONCE,
                         milliseconds_until(due, begun));

  deadlines_waited(&engine->deadlines, begun, due, count != 0, now());
  return count;
}

static void call_curl_in_time(struct engine *engine) {
  int running = 0;

  deadlines_worked(&engine->deadlines, now());
  if (engine->curl_timer > now())
    return;
  engine->curl_timer = NEVER; /* the call may set it again */
  curl_multi_socket_action(engine->host.multi, CURL_SOCKET_TIMEOUT, 0, &running);
  engine->names_waiting = 0;
}

static void *engine_main(void *data) {
  struct epoll_event events[EVENTS_AT_ONCE];
  struct engine *engine = data;

  while (!engine->stopping) {
    int count = wait_for_events(engine, events);

    for (int i = 0; i < count; i++)
      handle_event(engine, &events[i]);
    call_curl_in_time(engine);
    collect_ended(engine);
    end_overdue(engine);
  }
  return NULL;
}

/* --- Start and stop ---------------------------------------------------------------- */

/* Without CURL_CAN_LEAVE_RESOLVER to free a handle is to wait for its resolver; the
 * process is about to end, so such a handle is left as it is. */
static bool drop_transfers(struct engine *engine) {
  struct transfer *transfer;
  bool all = true;

  while ((transfer = TAILQ_FIRST(&engine->active))) {
    TAILQ_REMOVE(&engine->active, transfer, active);
    if (!CURL_CAN_LEAVE_RESOLVER && phases_current(&transfer->phases) == PHASE_DNS) {
      all = false;
      continue;
    }
    transfer_free(transfer);
  }
  return all;
}

static void engine_free(struct engine *engine) {
  if (drop_transfers(engine)) {
    curl_multi_cleanup(engine->host.multi);
    curl_share_cleanup(engine->host.names);
  }
  trust_free(engine->host.trust);
  for (size_t i = 0; i < engine->run_count; i++)
    chain_run_free(engine->runs[i]);
  free(engine->runs);
  if (engine->host.epoll >= 0)
    close(engine->host.epoll);
  if (engine->wake >= 0)
    close(engine->wake);
  free(engine);
}

static int open_descriptors(struct engine *engine) {
  struct epoll_event event = {.events = EPOLLIN};

  engine->host.epoll = epoll_create1(EPOLL_CLOEXEC);
  engine->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (engine->host.epoll < 0 || engine->wake < 0)
    return -errno;
  event.data.u64 = poll_token_of_socket(engine->wake);
  return epoll_ctl(engine->host.epoll, EPOLL_CTL_ADD, engine->wake, &event) < 0 ? -errno : 0;
}

static int open_multi(struct engine *engine) {
  engine->host.multi = curl_multi_init();
  engine->host.names = curl_share_init();
  if (!engine->host.multi || !engine->host.names ||
      curl_share_setopt(engine->host.names, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS) !=
          CURLSHE_OK)
    return -ENOMEM;
  curl_multi_setopt(engine->host.multi, CURLMOPT_SOCKETFUNCTION, on_multi_socket);
  curl_multi_setopt(engine->host.multi, CURLMOPT_SOCKETDATA, engine);
  curl_multi_setopt(engine->host.multi, CURLMOPT_TIMERFUNCTION, on_multi_timer);
  curl_multi_setopt(engine->host.multi, CURLMOPT_TIMERDATA, engine);
  return 0;
}

/* Where in the interval a chain begins need not be a secret, only different from
 * the next Pod's. */
static double random_share(void) {
  uint32_t bits = 0;

  if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != sizeof(bits))
    bits = (uint32_t)now();
  return (double)bits / ((double)UINT32_MAX + 1);
}

static int make_runs(struct engine *engine, struct board *board) {
  struct chain_run_place place = {
      .config = engine->config, .board = board, .send = send_transfer, .data = engine};
  int result = 0;

  engine->runs = calloc(engine->config->chain_count + 1, sizeof(engine->runs[0]));
  if (!engine->runs)
    return -ENOMEM;
  for (size_t i = 0; i < engine->config->chain_count && result == 0; i++) {
    place.chain = i;
    result = chain_run_new(&place, random_share(), now(), &engine->runs[i]);
    if (result == 0)
      engine->run_count++;
  }
  return result;
}

/* All signals are the daemon's own matter, also in the resolver's threads. */
static int start_thread(struct engine *engine) {
  sigset_t all, before;
  int error;

  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  error = pthread_create(&engine->thread, NULL, engine_main, engine);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (error == 0)
    pthread_setname_np(engine->thread, "egress_probe");
  return -error;
}

int engine_start(const struct probe_config *config, struct board *board,
                 struct engine **engine) {
  struct engine *made = calloc(1, sizeof(*made));
  int result;

  if (!made)
    return -ENOMEM;
  *made = (struct engine){
      .config = config, .host.epoll = -1, .wake = -1, .curl_timer = NEVER};
  made->budget = budget_of(config);
  TAILQ_INIT(&made->active);
  deadlines_init(&made->deadlines, now());
  result = open_descriptors(made);
  if (result == 0)
    result = open_multi(made);
  if (result == 0 && transfer_has_openssl())
    result = trust_new(&made->host.trust);
  if (result == 0)
    result = make_runs(made, board);
  if (result == 0)
    result = start_thread(made);
  if (result < 0)
    engine_free(made);
  else
    *engine = made;
  return result;
}

const struct budget *engine_budget(const struct engine *engine) {
  return &engine->budget;
}

void engine_stop(struct engine *engine) {
  const uint64_t one = 1;

  if (!engine)
    return;
  if (write(engine->wake, &one, sizeof(one)) == sizeof(one))
    pthread_join(engine->thread, NULL);
  engine_free(engine);
}

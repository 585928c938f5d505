/* SPDX-License-Identifier: MIT */
#include "engine.h"

#include "chain_run.h"

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

TAILQ_HEAD(transfer_list, transfer);

struct engine {
  const struct probe_config *config;
  CURLM *multi;
  int epoll, wake; /* -1: none */
  nanoseconds curl_timer; /* when libcurl wants to be called; NEVER */
  bool stopping;
  size_t run_count;
  struct chain_run **runs;
  struct transfer_list active;     /* in the multi handle */
  struct transfer_list connecting; /* of them, by connect_deadline */
  pthread_t thread;
};

static nanoseconds now(void) { return clock_now(CLOCK_MONOTONIC); }

/* --- libcurl's sockets and timer ---------------------------------------------------- */

static int on_multi_socket(CURL *easy, curl_socket_t socket, int what, void *data,
                           void *socket_data) {
  struct engine *engine = data;
  struct epoll_event event = {.data.fd = socket};

  (void)easy;
  (void)socket_data;
  if (what == CURL_POLL_REMOVE) {
    epoll_ctl(engine->epoll, EPOLL_CTL_DEL, socket, &event);
    return 0;
  }
  if (what & CURL_POLL_IN)
    event.events |= EPOLLIN;
  if (what & CURL_POLL_OUT)
    event.events |= EPOLLOUT;
  if (epoll_ctl(engine->epoll, EPOLL_CTL_MOD, socket, &event) < 0 && errno == ENOENT)
    epoll_ctl(engine->epoll, EPOLL_CTL_ADD, socket, &event);
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

/* Nearly always the last place: deadlines come in the order of their starts. */
static void add_connecting(struct engine *engine, struct transfer *transfer) {
  struct transfer *before = TAILQ_LAST(&engine->connecting, transfer_list);

  while (before && before->connect_deadline > transfer->connect_deadline)
    before = TAILQ_PREV(before, transfer_list, by_connect);
  if (before)
    TAILQ_INSERT_AFTER(&engine->connecting, before, transfer, by_connect);
  else
    TAILQ_INSERT_HEAD(&engine->connecting, transfer, by_connect);
}

static void leave_connecting(struct engine *engine, struct transfer *transfer) {
  if (transfer->connect_deadline == 0)
    return;
  TAILQ_REMOVE(&engine->connecting, transfer, by_connect);
  transfer->connect_deadline = 0;
}

static int send_transfer(void *data, struct chain_run *run,
                         const struct transfer_order *order, nanoseconds time) {
  struct engine *engine = data;
  struct transfer *transfer = NULL;
  int result = transfer_new(order, time, &transfer);

  if (result < 0)
    return result;
  transfer->owner = run;
  if (curl_multi_add_handle(engine->multi, transfer->easy) != CURLM_OK) {
    transfer_free(transfer);
    return -ENOMEM;
  }
  TAILQ_INSERT_TAIL(&engine->active, transfer, active);
  if (transfer->connect_deadline > 0)
    add_connecting(engine, transfer);
  return 0;
}

static void end_transfer(struct engine *engine, struct transfer *transfer, CURLcode code,
                         bool timed_out) {
  bool redirected = transfer_finish(transfer, code, timed_out, now());

  curl_multi_remove_handle(engine->multi, transfer->easy);
  if (redirected) {
    if (curl_multi_add_handle(engine->multi, transfer->easy) == CURLM_OK)
      return;
    transfer_finish(transfer, CURLE_OUT_OF_MEMORY, false, now());
  }
  leave_connecting(engine, transfer);
  TAILQ_REMOVE(&engine->active, transfer, active);
  chain_run_ended(transfer->owner, transfer, now());
  transfer_free(transfer);
}

static void collect_ended(struct engine *engine) {
  CURLMsg *message;
  int left = 0;

  while ((message = curl_multi_info_read(engine->multi, &left))) {
    void *transfer = NULL;

    if (message->msg != CURLMSG_DONE)
      continue;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    end_transfer(engine, transfer, message->data.result, false);
  }
}

static void end_slow_connects(struct engine *engine) {
  struct transfer *transfer;

  while ((transfer = TAILQ_FIRST(&engine->connecting)) &&
         transfer->connect_deadline <= now()) {
    if (transfer_is_connecting(transfer))
      end_transfer(engine, transfer, CURLE_OK, true);
    else
      leave_connecting(engine, transfer);
  }
}

/* --- The thread ---------------------------------------------------------------------------- */

static nanoseconds advance(struct engine *engine) {
  const struct transfer *slow;
  nanoseconds next = NEVER;

  for (size_t i = 0; i < engine->run_count; i++) {
    nanoseconds wanted = chain_run_advance(engine->runs[i], now());

    if (wanted < next)
      next = wanted;
  }
  slow = TAILQ_FIRST(&engine->connecting);
  if (slow && slow->connect_deadline < next)
    next = slow->connect_deadline;
  return engine->curl_timer < next ? engine->curl_timer : next;
}

/* Rounded up: to be called early is to be called twice. */
static int milliseconds_until(nanoseconds time) {
  nanoseconds left = time == NEVER ? NEVER : time - now();

  if (left <= 0)
    return 0;
  if (left > 1000 * NANOSECONDS_PER_SECOND)
    return 1000 * 1000;
  return (int)((left + NANOSECONDS_PER_MILLISECOND - 1) / NANOSECONDS_PER_MILLISECOND);
}

static void handle_event(struct engine *engine, const struct epoll_event *event) {
  int running = 0, mask = 0;

  if (event->data.fd == engine->wake) {
    engine->stopping = true;
    return;
  }
  if (event->events & EPOLLIN)
    mask |= CURL_CSELECT_IN;
  if (event->events & EPOLLOUT)
    mask |= CURL_CSELECT_OUT;
  if (event->events & (EPOLLERR | EPOLLHUP))
    mask |= CURL_CSELECT_ERR;
  curl_multi_socket_action(engine->multi, event->data.fd, mask, &running);
}

static void *engine_main(void *data) {
  struct epoll_event events[EVENTS_AT_ONCE];
  struct engine *engine = data;
  int running = 0;

  while (!engine->stopping) {
    int count = epoll_wait(engine->epoll, events, EVENTS_AT_ONCE,
                           milliseconds_until(advance(engine)));

    for (int i = 0; i < count; i++)
      handle_event(engine, &events[i]);
    if (engine->curl_timer <= now()) {
      engine->curl_timer = NEVER; /* the call may set it again */
      curl_multi_socket_action(engine->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    collect_ended(engine);
    end_slow_connects(engine);
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
    curl_multi_remove_handle(engine->multi, transfer->easy);
    transfer_free(transfer);
  }
  return all;
}

static void engine_free(struct engine *engine) {
  if (drop_transfers(engine))
    curl_multi_cleanup(engine->multi);
  for (size_t i = 0; i < engine->run_count; i++)
    chain_run_free(engine->runs[i]);
  free(engine->runs);
  if (engine->epoll >= 0)
    close(engine->epoll);
  if (engine->wake >= 0)
    close(engine->wake);
  free(engine);
}

static int open_descriptors(struct engine *engine) {
  struct epoll_event event = {.events = EPOLLIN};

  engine->epoll = epoll_create1(EPOLL_CLOEXEC);
  engine->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (engine->epoll < 0 || engine->wake < 0)
    return -errno;
  event.data.fd = engine->wake;
  return epoll_ctl(engine->epoll, EPOLL_CTL_ADD, engine->wake, &event) < 0 ? -errno : 0;
}

static int open_multi(struct engine *engine) {
  engine->multi = curl_multi_init();
  if (!engine->multi)
    return -ENOMEM;
  curl_multi_setopt(engine->multi, CURLMOPT_SOCKETFUNCTION, on_multi_socket);
  curl_multi_setopt(engine->multi, CURLMOPT_SOCKETDATA, engine);
  curl_multi_setopt(engine->multi, CURLMOPT_TIMERFUNCTION, on_multi_timer);
  curl_multi_setopt(engine->multi, CURLMOPT_TIMERDATA, engine);
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
      .config = config, .epoll = -1, .wake = -1, .curl_timer = NEVER};
  TAILQ_INIT(&made->active);
  TAILQ_INIT(&made->connecting);
  result = open_descriptors(made);
  if (result == 0)
    result = open_multi(made);
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

void engine_stop(struct engine *engine) {
  const uint64_t one = 1;

  if (!engine)
    return;
  if (write(engine->wake, &one, sizeof(one)) == sizeof(one))
    pthread_join(engine->thread, NULL);
  engine_free(engine);
}

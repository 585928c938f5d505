/* SPDX-License-Identifier: MIT */
#include "discovery_thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* The machines of a fleet start together: the first questions are spread out too. */
#define FIRST_SHARE 30

struct job {
  struct discovery_cycle *cycle;
  size_t gateway;
  enum discovery_step step;
  bool started;
  nanoseconds ended; /* the last attempt, or the thread's start */
  unsigned failures; /* in a row */
  double share;      /* at random, for the next attempt */
};

/* What the thread shares, guarded by the mutex. */
struct shared {
  bool busy;
  struct gateway_view view;
};

struct discovery {
  pthread_t thread;
  bool has_thread;
  pthread_mutex_t mutex;
  pthread_cond_t wake; /* busy or stopping has changed */
  bool stopping;
  size_t count;
  struct shared *shared; /* a gateway each */
  /* The thread's own: */
  struct gcp_http *http;
  struct discovery_scratch *scratch;
  struct discovery_cycle *cycles; /* a gateway each */
  size_t job_count;
  struct job *jobs;
};

static double random_share(void) {
  uint32_t bits = 0;

  if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != sizeof(bits))
    bits = (uint32_t)clock_now(CLOCK_MONOTONIC);
  return (double)bits / ((double)UINT32_MAX + 1);
}

/* --- The thread ------------------------------------------------------------------------ */

static nanoseconds due_of(const struct discovery *discovery, const struct job *job) {
  nanoseconds interval = job->cycle->source->interval;

  if (!job->started)
    return job->ended + (nanoseconds)((double)interval / FIRST_SHARE * job->share);
  return job->ended + discovery_pause(interval, discovery->shared[job->gateway].busy,
                                      job->failures, job->share);
}

static struct job *find_next(struct discovery *discovery, nanoseconds *due) {
  struct job *next = NULL;

  for (size_t i = 0; i < discovery->job_count; i++) {
    nanoseconds its = due_of(discovery, &discovery->jobs[i]);

    if (!next || its < *due) {
      next = &discovery->jobs[i];
      *due = its;
    }
  }
  return next;
}

/* Sleeps until a job is due. NULL: the thread has to end. */
static struct job *wait_for_job(struct discovery *discovery) {
  struct job *job = NULL;

  pthread_mutex_lock(&discovery->mutex);
  while (!discovery->stopping) {
    nanoseconds due = 0;
    struct timespec until;

    job = find_next(discovery, &due);
    if (due <= clock_now(CLOCK_MONOTONIC))
      break;
    until.tv_sec = due / NANOSECONDS_PER_SECOND;
    until.tv_nsec = due % NANOSECONDS_PER_SECOND;
    pthread_cond_timedwait(&discovery->wake, &discovery->mutex, &until);
  }
  if (discovery->stopping)
    job = NULL;
  pthread_mutex_unlock(&discovery->mutex);
  return job;
}

static void run_job(struct discovery *discovery, struct job *job) {
  int status = discovery_cycle_run(job->cycle, job->step);

  gcp_http_rest(discovery->http);
  job->started = true;
  job->ended = clock_now(CLOCK_MONOTONIC);
  job->share = random_share();
  if (status == 0)
    job->failures = 0;
  else if (job->failures < 1000)
    job->failures++;
  pthread_mutex_lock(&discovery->mutex);
  discovery->shared[job->gateway].view = job->cycle->view;
  pthread_mutex_unlock(&discovery->mutex);
}

static void *discovery_main(void *data) {
  struct discovery *discovery = data;
  struct job *job;

  while ((job = wait_for_job(discovery)))
    run_job(discovery, job);
  return NULL;
}

/* --- Life --------------------------------------------------------------------------------- */

static void add_job(struct discovery *discovery, const struct job *job) {
  discovery->jobs[discovery->job_count++] = *job;
}

/* The gateway before its figures, at the same time: those are asked for by its name. */
static void add_gateway(struct discovery *discovery, size_t gateway,
                        const struct gateway_source *source) {
  struct job job = {.cycle = &discovery->cycles[gateway],
                    .gateway = gateway,
                    .ended = clock_now(CLOCK_MONOTONIC),
                    .share = random_share()};

  discovery_cycle_init(&discovery->cycles[gateway], source, discovery->http,
                       discovery->scratch);
  discovery->shared[gateway].view = discovery->cycles[gateway].view;
  job.step = DISCOVERY_COMPUTE;
  if (source->discover)
    add_job(discovery, &job);
  job.step = DISCOVERY_MONITORING;
  if (source->cloud_monitoring)
    add_job(discovery, &job);
}

static int init_lock(struct discovery *discovery) {
  pthread_condattr_t attributes;

  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&discovery->wake, &attributes);
  pthread_condattr_destroy(&attributes);
  return -pthread_mutex_init(&discovery->mutex, NULL);
}

static int allocate(struct discovery *discovery, size_t count) {
  discovery->count = count;
  discovery->shared = calloc(count, sizeof(*discovery->shared));
  discovery->cycles = calloc(count, sizeof(*discovery->cycles));
  discovery->jobs = calloc(count * DISCOVERY_STEPS, sizeof(*discovery->jobs));
  discovery->scratch = calloc(1, sizeof(*discovery->scratch));
  if (!discovery->shared || !discovery->cycles || !discovery->jobs || !discovery->scratch)
    return -ENOMEM;
  return gcp_http_new(&discovery->http);
}

/* All signals are the daemon's own matter, also in the resolver's threads. */
static int start_thread(struct discovery *discovery) {
  sigset_t all, before;
  int error;

  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  error = pthread_create(&discovery->thread, NULL, discovery_main, discovery);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (error == 0) {
    discovery->has_thread = true;
    pthread_setname_np(discovery->thread, "egress_discover");
  }
  return -error;
}

static bool is_anything_asked(const struct gateway_source *const *sources, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (gateway_source_asks(sources[i]))
      return true;
  return false;
}

int discovery_start(const struct gateway_source *const *sources, size_t count,
                    struct discovery **discovery) {
  struct discovery *made;
  int status;

  *discovery = NULL;
  if (!is_anything_asked(sources, count))
    return 0;
  made = calloc(1, sizeof(*made));
  if (!made)
    return -ENOMEM;
  status = init_lock(made);
  if (status == 0)
    status = allocate(made, count);
  for (size_t i = 0; i < count && status == 0; i++)
    add_gateway(made, i, sources[i]);
  if (status == 0)
    status = start_thread(made);
  if (status < 0)
    discovery_stop(made);
  else
    *discovery = made;
  return status;
}

void discovery_stop(struct discovery *discovery) {
  if (!discovery)
    return;
  if (discovery->has_thread) {
    gcp_http_stop(discovery->http);
    pthread_mutex_lock(&discovery->mutex);
    discovery->stopping = true;
    pthread_cond_signal(&discovery->wake);
    pthread_mutex_unlock(&discovery->mutex);
    pthread_join(discovery->thread, NULL);
  }
  for (size_t i = 0; discovery->cycles && i < discovery->count; i++)
    discovery_cycle_end(&discovery->cycles[i]);
  gcp_http_free(discovery->http);
  free(discovery->scratch);
  free(discovery->jobs);
  free(discovery->cycles);
  free(discovery->shared);
  pthread_cond_destroy(&discovery->wake);
  pthread_mutex_destroy(&discovery->mutex);
  free(discovery);
}

void discovery_get(struct discovery *discovery, size_t gateway,
                   struct gateway_view *view) {
  pthread_mutex_lock(&discovery->mutex);
  *view = discovery->shared[gateway].view;
  pthread_mutex_unlock(&discovery->mutex);
}

void discovery_set_busy(struct discovery *discovery, size_t gateway, bool busy) {
  pthread_mutex_lock(&discovery->mutex);
  if (discovery->shared[gateway].busy != busy) {
    discovery->shared[gateway].busy = busy;
    pthread_cond_signal(&discovery->wake);
  }
  pthread_mutex_unlock(&discovery->mutex);
}

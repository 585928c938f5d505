/* SPDX-License-Identifier: MIT
 *
 * A collectd plugin that lets the bench start single reads and says what each
 * has cost. With one read thread, and an interval far shorter than a read, the
 * daemon calls this callback and that of the plugin under test in turn: whoever
 * was called last is due last. So this one waits for a byte on standard input,
 * and at its next call prints the CPU time since then, as "THREAD PROCESS" in
 * nanoseconds: the reading thread's, and the whole daemon's. The first line says
 * that nothing was read yet.
 */
#include "collectd-shim.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static struct {
  long long thread, process;
} released;

static long long nanoseconds_of(clockid_t clock) {
  struct timespec now;

  clock_gettime(clock, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int gate_read(void) {
  long long thread = nanoseconds_of(CLOCK_THREAD_CPUTIME_ID) - released.thread;
  long long process = nanoseconds_of(CLOCK_PROCESS_CPUTIME_ID) - released.process;
  char byte;

  if (dprintf(STDOUT_FILENO, "%lld %lld\n", thread, process) < 0)
    return 0;
  /* At the end of the input reads are free to go on: collectd is being stopped. */
  while (read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR)
    ;
  released.process = nanoseconds_of(CLOCK_PROCESS_CPUTIME_ID);
  released.thread = nanoseconds_of(CLOCK_THREAD_CPUTIME_ID);
  return 0;
}

__attribute__((visibility("default"))) void module_register(void) {
  plugin_register_read("bench_gate", gate_read);
}

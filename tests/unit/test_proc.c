/* SPDX-License-Identifier: MIT
 *
 * What is read from /proc: the parsers on lines of real kernels, and cut ones.
 */
#include "egress/conntrack.h"
#include "egress/sockstat.h"
#include "proc_sockets.h"
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* In a block of its own length, so that a sanitizer sees its end. */
static char *copy_of(const char *text, size_t size) {
  char *copy = malloc(size ? size : 1);

  assert_non_null(copy);
  memcpy(copy, text, size);
  return copy;
}

/* --- Words and numbers ------------------------------------------------------------- */

static void test_numbers(void **state) {
  struct proc_text text = {"18446744073709551615x", NULL};
  uint64_t number;

  (void)state;
  text.end = text.at + strlen(text.at);
  assert_true(proc_text_number(&text, 10, UINT64_MAX, &number));
  assert_true(number == UINT64_MAX);
  assert_int_equal(text.end - text.at, 1);
  assert_false(proc_text_number(&text, 16, UINT64_MAX, &number));
  text = (struct proc_text){"18446744073709551616", NULL};
  text.end = text.at + 20;
  assert_false(proc_text_number(&text, 10, UINT64_MAX, &number));
  text = (struct proc_text){"fF", NULL};
  text.end = text.at + 2;
  assert_false(proc_text_number(&text, 16, 254, &number));
  text.at = text.end - 2;
  assert_true(proc_text_number(&text, 16, 255, &number));
  assert_int_equal(number, 255);
}

/* --- Sockets ------------------------------------------------------------------------ */

static int parse(const char *line, struct sock_diag_record *record) {
  size_t size = strlen(line);
  char *copy = copy_of(line, size);
  int status = proc_sockets_parse((struct proc_text){copy, copy + size}, record);

  free(copy);
  return status;
}

/* The kernel prints an address as numbers of its own byte order; what stands in these
 * lines is of a little-endian one. */
static bool is_little_endian(void) { return htonl(1) != 1; }

static void assert_endpoint(const struct net_endpoint *endpoint, const char *expected) {
  char text[NET_ENDPOINT_TEXT_MAX];

  if (is_little_endian())
    assert_string_equal(net_endpoint_format(endpoint, text, sizeof(text)), expected);
}

static void test_listening_socket(void **state) {
  struct sock_diag_record record;

  (void)state;
  assert_int_equal(parse("   0: 0100007F:0CEA 00000000:0000 0A 00000000:00000003 "
                         "00:00000000 00000000     0        0 624 1 0000000013d301f7 "
                         "100 0 0 10 0",
                         &record),
                   0);
  assert_int_equal(record.state, TCP_STATE_LISTEN);
  assert_endpoint(&record.local, "127.0.0.1:3306");
  assert_int_equal(record.remote.port, 0);
  assert_int_equal(record.receive_queue, 3);
  assert_int_equal(record.send_queue, 0); /* the limit is not told */
  assert_int_equal(record.inode, 624);
  assert_false(record.minisocket);
  assert_null(record.info);
}

static void test_unanswered_connect(void **state) {
  struct sock_diag_record record;

  (void)state;
  assert_int_equal(parse("   4: 0A00000A:A9D2 14643 01BB", &record), -EBADMSG);
  assert_int_equal(parse("   4: 0A00000A:A9D2 146433C6:01BB 02 00000001:00000000 "
                         "01:00000190 00000002  1000        0 77123 2 0 200 0 0 1 7",
                         &record),
                   0);
  assert_int_equal(record.state, TCP_STATE_SYN_SENT);
  assert_endpoint(&record.local, "10.0.0.10:43474");
  assert_endpoint(&record.remote, "198.51.100.20:443");
  assert_int_equal(record.timer, SOCK_DIAG_RETRANSMISSION);
  assert_int_equal(record.retransmits, 2);
  assert_int_equal(record.expires_ms, 4000);
  assert_true(sock_diag_is_retransmitting(&record));
}

static void test_minisockets(void **state) {
  struct sock_diag_record record;

  (void)state;
  assert_int_equal(parse(" 12: 0A00000A:A9D2 146433C6:01BB 06 00000000:00000000 "
                         "03:00000A32 00000000     0        0 0 3 0",
                         &record),
                   0);
  assert_true(record.minisocket);
  assert_int_equal(record.expires_ms, 26100);
  assert_int_equal(parse(" 12: 0A00000A:A9D2 146433C6:01BB 05 00000000:00000000 "
                         "03:00000A32 00000000     0        0 0 3 0",
                         &record),
                   0);
  assert_true(record.minisocket);
  assert_int_equal(parse(" 12: 0A00000A:A9D2 146433C6:01BB 05 00000000:00000000 "
                         "02:00000A32 00000003     0        0 9 3 0",
                         &record),
                   0);
  assert_false(record.minisocket);
  assert_false(sock_diag_is_retransmitting(&record)); /* unanswered keepalives */
}

static void test_ipv6_and_mapped(void **state) {
  struct sock_diag_record record;

  (void)state;
  assert_int_equal(parse("   1: B80D0120000000000000000001000000:1F90 "
                         "B80D0120000000000000000002000000:C350 01 "
                         "00000000:00000000 00:00000000 00000000     0        0 8 1 0",
                         &record),
                   0);
  assert_endpoint(&record.local, "[2001:db8::1]:8080");
  assert_endpoint(&record.remote, "[2001:db8::2]:50000");
  assert_int_equal(parse("   2: 0000000000000000FFFF00000A00000A:1F90 "
                         "0000000000000000FFFF0000146433C6:C350 08 "
                         "00000000:00000000 00:00000000 00000000     0        0 9 1 0",
                         &record),
                   0);
  assert_endpoint(&record.local, "10.0.0.10:8080");
  assert_int_equal(record.state, TCP_STATE_CLOSE_WAIT);
}

static void test_udp_socket(void **state) {
  struct sock_diag_record record;

  (void)state;
  assert_int_equal(parse(" 4242: 0100007F:14E9 00000000:0000 07 00000000:00000680 "
                         "00:00000000 00000000     0        0 991 2 0000000013d301f7 0",
                         &record),
                   0);
  assert_int_equal(record.state, TCP_STATE_CLOSE);
  assert_int_equal(record.receive_queue, 1664);
  assert_endpoint(&record.local, "127.0.0.1:5353");
}

static void test_socket_lines_that_are_wrong(void **state) {
  static const char *const lines[] = {
      "",
      "   0:",
      "   0: 0100007F:0CEA 00000000:0000 00 0:0 0:0 0 0 0 1",    /* state 0 */
      "   0: 0100007F:0CEA 00000000:0000 0C 0:0 0:0 0 0 0 1",    /* state 12 */
      "   0: 0100007F:10000 00000000:0000 0A 0:0 0:0 0 0 0 1",   /* port */
      "   0: 0100007F:0CEA 00000000:0000 0A 0.0 0:0 0 0 0 1",    /* queues */
      "   0: 0100007G:0CEA 00000000:0000 0A 0:0 0:0 0 0 0 1",    /* address */
      "   0: 0100007F00000000:0CEA 00000000:0000 0A 0:0 0:0 0 0 0 1",
      "   0: 0100007F:0CEA 00000000:0000 0A 0:0 0:0 0 0 0 1x",   /* inode */
      "   0: 0100007F:0CEA 00000000:0000 0A 0:0 100:0 0 0 0 1",  /* timer */
  };
  struct sock_diag_record record;

  (void)state;
  for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
    if (parse(lines[i], &record) != -EBADMSG)
      fail_msg("taken: %s", lines[i]);
}

static void test_socket_line_cut_at_every_byte(void **state) {
  static const char line[] = " 12: 0A00000A:A9D2 146433C6:01BB 06 00000000:00000000 "
                             "03:00000A32 00000000     0        0 1234 3 0";
  const size_t inode_begins = strlen(line) - strlen("1234 3 0");

  (void)state;
  for (size_t cut = 0; cut <= strlen(line); cut++) {
    char *piece = copy_of(line, cut);
    struct sock_diag_record record;
    int status = proc_sockets_parse((struct proc_text){piece, piece + cut}, &record);

    assert_int_equal(status, cut > inode_begins ? 0 : -EBADMSG);
    free(piece);
  }
}

/* --- sockstat -------------------------------------------------------------------------- */

static const char sockstat_text[] = "sockets: used 290\n"
                                    "TCP: inuse 5 orphan 7 tw 11 alloc 13 mem 17\n"
                                    "UDP: inuse 19 mem 23\n"
                                    "UDPLITE: inuse 1\n"
                                    "RAW: inuse 2\n"
                                    "FRAG: inuse 3 memory 4\n";

static void test_sockstat(void **state) {
  struct sockstat sockstat;

  (void)state;
  assert_int_equal(sockstat_parse(sockstat_text, strlen(sockstat_text), &sockstat), 0);
  assert_int_equal(sockstat.present, (1u << SOCKSTAT_FIELD_COUNT) - 1);
  assert_int_equal(sockstat.values[SOCKSTAT_TCP_ORPHAN], 7);
  assert_int_equal(sockstat.values[SOCKSTAT_TCP_TIME_WAIT], 11);
  assert_int_equal(sockstat.values[SOCKSTAT_TCP_ALLOC], 13);
  assert_int_equal(sockstat.values[SOCKSTAT_TCP_PAGES], 17);
  assert_int_equal(sockstat.values[SOCKSTAT_UDP_INUSE], 19);
  assert_int_equal(sockstat.values[SOCKSTAT_UDP_PAGES], 23);
}

static void test_sockstat_with_less(void **state) {
  static const char text[] = "TCP: inuse 5 tw -1 alloc\nUDP: mem 9x inuse 4";
  struct sockstat sockstat;

  (void)state;
  assert_int_equal(sockstat_parse(text, strlen(text), &sockstat), 0);
  assert_int_equal(sockstat.present, 1u << SOCKSTAT_UDP_INUSE);
  assert_int_equal(sockstat.values[SOCKSTAT_UDP_INUSE], 4);
  assert_int_equal(sockstat_parse("", 0, &sockstat), -EBADMSG);
  assert_int_equal(sockstat_parse("RAW: mem 1\n", 11, &sockstat), -EBADMSG);
}

/* Whole fields before the cut stay what they are. */
static void test_sockstat_cut_at_every_byte(void **state) {
  uint32_t before = 0;

  (void)state;
  for (size_t cut = 0; cut <= strlen(sockstat_text); cut++) {
    char *piece = copy_of(sockstat_text, cut);
    struct sockstat sockstat;

    sockstat_parse(piece, cut, &sockstat);
    assert_int_equal(sockstat.present & before, before);
    before = sockstat.present;
    free(piece);
  }
  assert_int_equal(before, (1u << SOCKSTAT_FIELD_COUNT) - 1);
}

static void test_sockstat_of_this_kernel(void **state) {
  struct sockstat sockstat;

  (void)state;
  assert_int_equal(sockstat_read(&sockstat), 0);
  assert_true(sockstat.present & 1u << SOCKSTAT_TCP_ALLOC);
  assert_true(sockstat.present & 1u << SOCKSTAT_UDP_INUSE);
}

/* --- Conntrack's events ------------------------------------------------------------------ */

struct seen {
  unsigned cpus;
  struct conntrack_cpu last;
};

static void see(const struct conntrack_cpu *cpu, void *data) {
  struct seen *seen = data;

  assert_int_equal(cpu->cpu, seen->cpus);
  seen->cpus++;
  seen->last = *cpu;
}

/* Of kernel 6.18; older ones say `searched` and `delete_list` in two places. */
#define STAT_HEADING                                                                    \
  "entries  clashres found new invalid ignore delete chainlength insert "               \
  "insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete "   \
  "search_restart\n"
#define STAT_LINE(first)                                                                \
  first "  00000001 00000002 00000003 00000004 00000005 00000006 00000007 00000008 "    \
        "00000009 0000000a 0000000b 0000000c  0000000d 0000000e 0000000f fffffff0\n"

static void test_conntrack_stat(void **state) {
  static const char text[] = STAT_HEADING STAT_LINE("00000010") STAT_LINE("00000010");
  const uint32_t expected[CONNTRACK_EVENT_COUNT] = {
      [CONNTRACK_FOUND] = 2,          [CONNTRACK_INVALID] = 4,
      [CONNTRACK_INSERT_FAILED] = 9,  [CONNTRACK_DROP] = 10,
      [CONNTRACK_EARLY_DROP] = 11,    [CONNTRACK_ERROR] = 12,
      [CONNTRACK_CLASH_RESOLVE] = 1,  [CONNTRACK_CHAIN_TOOLONG] = 7,
      [CONNTRACK_SEARCH_RESTART] = 0xfffffff0,
  };
  struct seen seen = {0};

  (void)state;
  assert_int_equal(conntrack_parse_stat(text, strlen(text), see, &seen), 0);
  assert_int_equal(seen.cpus, 2);
  assert_int_equal(seen.last.present, (1u << CONNTRACK_EVENT_COUNT) - 1);
  for (unsigned event = 0; event < CONNTRACK_EVENT_COUNT; event++)
    assert_int_equal(seen.last.events[event], expected[event]);
}

/* Two columns of an older kernel have another meaning, and so another name. */
static void test_conntrack_stat_of_an_older_kernel(void **state) {
  static const char text[] = "entries  searched found new delete_list drop\n"
                             "00000001  00000002 00000003 00000004 00000005 00000006\n";
  struct seen seen = {0};

  (void)state;
  assert_int_equal(conntrack_parse_stat(text, strlen(text), see, &seen), 0);
  assert_int_equal(seen.last.present, 1u << CONNTRACK_FOUND | 1u << CONNTRACK_DROP);
  assert_int_equal(seen.last.events[CONNTRACK_FOUND], 3);
  assert_int_equal(seen.last.events[CONNTRACK_DROP], 6);
}

static void test_conntrack_stat_that_is_wrong(void **state) {
  static const char *const texts[] = {
      "", "entries new\n1 2\n", "found drop\n1\n", "found drop\n1 2g\n",
      "found drop\n1 100000000\n"};

  (void)state;
  for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
    struct seen seen = {0};

    assert_int_equal(conntrack_parse_stat(texts[i], strlen(texts[i]), see, &seen),
                     -EBADMSG);
    assert_int_equal(seen.cpus, 0);
  }
}

static void test_conntrack_stat_cut_at_every_byte(void **state) {
  static const char text[] = STAT_HEADING STAT_LINE("00000010");

  (void)state;
  for (size_t cut = 0; cut <= strlen(text); cut++) {
    char *piece = copy_of(text, cut);
    struct seen seen = {0};

    conntrack_parse_stat(piece, cut, see, &seen);
    /* With a digit of the last column the line is whole, as far as can be told. */
    assert_int_equal(seen.cpus, cut > strlen(text) - strlen("fffffff0\n"));
    free(piece);
  }
}

/* --- This kernel's own files ---------------------------------------------------------------- */

struct wanted {
  uint16_t port;
  unsigned found, others;
};

static void look_for(const struct sock_diag_record *record, void *data) {
  struct wanted *wanted = data;

  if (record->local.port == wanted->port)
    wanted->found++;
  wanted->others += record->state != TCP_STATE_LISTEN;
}

static uint16_t open_port(int type, int *socket_) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof(address);

  *socket_ = socket(AF_INET, type, 0);
  assert_int_equal(bind(*socket_, (struct sockaddr *)&address, length), 0);
  if (type == SOCK_STREAM)
    assert_int_equal(listen(*socket_, 3), 0);
  assert_int_equal(getsockname(*socket_, (struct sockaddr *)&address, &length), 0);
  return ntohs(address.sin_port);
}

static void test_live_sockets(void **state) {
  const struct sock_diag_request listening = {.states = 1u << TCP_STATE_LISTEN};
  const struct sock_diag_request all = {.states = TCP_STATES_ALL};
  struct sock_diag_result result;
  struct wanted wanted = {0};
  int stream, datagram;

  (void)state;
  wanted.port = open_port(SOCK_STREAM, &stream);
  assert_int_equal(proc_sockets_dump("tcp", &listening, look_for, &wanted, &result), 0);
  assert_int_equal(wanted.found, 1);
  assert_int_equal(wanted.others, 0);
  assert_false(result.partial);
  wanted = (struct wanted){.port = open_port(SOCK_DGRAM, &datagram)};
  assert_int_equal(proc_sockets_dump("udp", &all, look_for, &wanted, &result), 0);
  assert_int_equal(wanted.found, 1);
  assert_true(result.sockets >= 1);
  assert_int_equal(proc_sockets_dump("no-such", &all, look_for, &wanted, &result),
                   -ENOENT);
  assert_true(result.partial);
  close(stream);
  close(datagram);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_numbers),
      cmocka_unit_test(test_listening_socket),
      cmocka_unit_test(test_unanswered_connect),
      cmocka_unit_test(test_minisockets),
      cmocka_unit_test(test_ipv6_and_mapped),
      cmocka_unit_test(test_udp_socket),
      cmocka_unit_test(test_socket_lines_that_are_wrong),
      cmocka_unit_test(test_socket_line_cut_at_every_byte),
      cmocka_unit_test(test_sockstat),
      cmocka_unit_test(test_sockstat_with_less),
      cmocka_unit_test(test_sockstat_cut_at_every_byte),
      cmocka_unit_test(test_sockstat_of_this_kernel),
      cmocka_unit_test(test_conntrack_stat),
      cmocka_unit_test(test_conntrack_stat_of_an_older_kernel),
      cmocka_unit_test(test_conntrack_stat_that_is_wrong),
      cmocka_unit_test(test_conntrack_stat_cut_at_every_byte),
      cmocka_unit_test(test_live_sockets),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

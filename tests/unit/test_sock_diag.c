/* SPDX-License-Identifier: MIT
 *
 * The dumps under tests/fuzz/corpus/sock_diag are one namespace's, in a quiet
 * moment; the counts here are what ss(8) said of it at the same time.
 */
#include "egress/sock_diag.h"
#include "capture_file.h"
#include "netlink_answer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <unistd.h>

static const uint64_t counts_of_ss[TCP_STATE_COUNT] = {
    [TCP_STATE_ESTABLISHED] = 28, [TCP_STATE_SYN_SENT] = 3,
    [TCP_STATE_SYN_RECEIVED] = 1, [TCP_STATE_FIN_WAIT1] = 1,
    [TCP_STATE_FIN_WAIT2] = 3,    [TCP_STATE_TIME_WAIT] = 7,
    [TCP_STATE_CLOSE_WAIT] = 4,   [TCP_STATE_LAST_ACK] = 1,
    [TCP_STATE_LISTEN] = 5,
};

struct seen {
  uint64_t states[TCP_STATE_COUNT];
  uint64_t with_info;
  uint64_t minisockets;
  uint64_t mapped; /* connections to port 8080 of the dual-stack listener, over IPv4 */
};

static void see(struct seen *seen, const struct sock_diag_record *record) {
  seen->states[record->state]++;
  seen->minisockets += record->minisocket;
  seen->mapped += record->local.port == 8080 && net_address_is_ipv4(&record->local.address);
  if (record->info) {
    seen->with_info++;
    assert_int_equal(record->info->tcpi_state, record->state);
    assert_true(record->info_size > offsetof(struct tcp_info, tcpi_min_rtt));
  }
}

static int take_message(const struct nlmsghdr *message, void *data) {
  struct sock_diag_record record;
  int status = sock_diag_parse(message, &record);

  if (status == 0)
    see(data, &record);
  return status;
}

static struct netlink_answer answer_to(const void *datagram, struct seen *seen) {
  const struct nlmsghdr *first = datagram;

  return (struct netlink_answer){.sequence = first->nlmsg_seq,
                                 .port = first->nlmsg_pid,
                                 .callback = take_message,
                                 .data = seen};
}

/* Feeds all files of a dump; the last one is to end it. */
static void replay(const char *const *names, size_t count, struct seen *seen) {
  for (size_t i = 0; i < count; i++) {
    size_t size;
    void *datagram = capture_read(names[i], &size);
    struct netlink_answer answer = answer_to(datagram, seen);
    int status = netlink_answer_feed(&answer, datagram, size);

    assert_int_equal(status, i + 1 < count ? NETLINK_ANSWER_MORE : 0);
    assert_int_equal(answer.malformed, 0);
    assert_false(answer.incomplete);
    free(datagram);
  }
}

static void assert_counts(const struct seen *seen) {
  for (size_t state = 0; state < TCP_STATE_COUNT; state++)
    assert_int_equal(seen->states[state], counts_of_ss[state]);
}

static void test_legacy_dump(void **state) {
  static const char *const names[] = {"tcp-legacy-0", "tcp-legacy-1", "tcp-legacy-2"};
  struct seen seen = {0};

  (void)state;
  replay(names, 3, &seen);
  assert_counts(&seen);
  assert_int_equal(seen.with_info, 0);
  assert_int_equal(seen.minisockets, 8); /* TIME_WAIT and one FIN_WAIT2 orphan */
  assert_true(seen.mapped > 0);
}

static void test_dumps_by_family(void **state) {
  static const char *const ipv4[] = {"tcp-ipv4-0", "tcp-ipv4-1"};
  static const char *const ipv6[] = {"tcp-ipv6-0", "tcp-ipv6-1"};
  struct seen seen = {0};

  (void)state;
  replay(ipv4, 2, &seen);
  replay(ipv6, 2, &seen);
  assert_counts(&seen);
}

static void test_dump_with_info(void **state) {
  static const char *const names[] = {"tcp-info-0", "tcp-info-1", "tcp-info-2"};
  struct seen seen = {0};

  (void)state;
  replay(names, 3, &seen);
  assert_counts(&seen);
  /* Full sockets only: neither minisockets nor the half-open one inside. */
  assert_int_equal(seen.with_info, 53 - seen.minisockets - 1);
}

static void test_listeners(void **state) {
  static const char *const names[] = {"tcp-listen-0", "tcp-listen-1"};
  struct seen seen = {0};

  (void)state;
  replay(names, 2, &seen);
  assert_int_equal(seen.states[TCP_STATE_LISTEN], 5);
  assert_int_equal(seen.states[TCP_STATE_ESTABLISHED], 0);
}

struct udp_seen {
  unsigned connected, unconnected;
  uint64_t receive_queue;
};

static int take_udp_message(const struct nlmsghdr *message, void *data) {
  struct udp_seen *seen = data;
  struct sock_diag_record record;
  int status = sock_diag_parse_socket(message, &record);

  if (status < 0)
    return status;
  assert_true(record.state == TCP_STATE_ESTABLISHED || record.state == TCP_STATE_CLOSE);
  seen->connected += record.state == TCP_STATE_ESTABLISHED;
  seen->unconnected += record.state == TCP_STATE_CLOSE;
  seen->receive_queue += record.receive_queue;
  return 0;
}

static void test_udp_dumps(void **state) {
  static const char *const names[] = {"udp-ipv4-0", "udp-ipv6-0"};
  struct udp_seen seen = {0};

  (void)state;
  for (size_t i = 0; i < 2; i++) {
    size_t size;
    void *datagram = capture_read(names[i], &size);
    const struct nlmsghdr *first = datagram;
    struct netlink_answer answer = {.sequence = first->nlmsg_seq,
                                    .port = first->nlmsg_pid,
                                    .callback = take_udp_message,
                                    .data = &seen};

    assert_int_equal(netlink_answer_feed(&answer, datagram, size), NETLINK_ANSWER_MORE);
    assert_int_equal(answer.messages, 3);
    free(datagram);
  }
  /* What ss said at the same time. */
  assert_int_equal(seen.connected, 3);
  assert_int_equal(seen.unconnected, 3);
  assert_int_equal(seen.receive_queue, 832 + 1664 + 1280);
}

/* A cut datagram gives the whole messages before the cut, and says so. */
static void test_cut_at_every_byte(void **state) {
  static const char *const names[] = {"tcp-legacy-0", "tcp-info-1"};

  (void)state;
  for (size_t i = 0; i < 2; i++) {
    size_t size;
    void *datagram = capture_read(names[i], &size);
    uint64_t before = 0;

    for (size_t cut = 0; cut <= size; cut++) {
      struct seen seen = {0};
      struct netlink_answer answer = answer_to(datagram, &seen);
      void *piece = malloc(cut ? cut : 1); /* so that memcheck and ASan see the end */

      assert_non_null(piece);
      memcpy(piece, datagram, cut);
      assert_int_equal(netlink_answer_feed(&answer, piece, cut), NETLINK_ANSWER_MORE);
      assert_true(answer.messages == before || answer.messages == before + 1);
      before = answer.messages;
      assert_true(answer.malformed <= 1);
      free(piece);
    }
    assert_true(before > 1);
    free(datagram);
  }
}

/* A message that is shorter than it should be, with a header that says so. */
static void test_short_messages(void **state) {
  size_t size;
  char *datagram = capture_read("tcp-info-1", &size);
  uint32_t length = ((const struct nlmsghdr *)(void *)datagram)->nlmsg_len;

  (void)state;
  for (uint32_t cut = sizeof(struct nlmsghdr); cut < length; cut++) {
    struct nlmsghdr *piece = malloc(cut);
    struct sock_diag_record record;
    int status;

    assert_non_null(piece);
    memcpy(piece, datagram, cut);
    piece->nlmsg_len = cut;
    status = sock_diag_parse(piece, &record);
    if (cut < mnl_nlmsg_size(sizeof(struct inet_diag_msg)))
      assert_int_equal(status, -EBADMSG);
    else
      assert_true(status == 0 || status == -EBADMSG);
    free(piece);
  }
  free(datagram);
}

static void test_inconsistent_messages(void **state) {
  size_t size;
  char *datagram = capture_read("tcp-legacy-0", &size);
  struct nlmsghdr *message = (struct nlmsghdr *)(void *)datagram;
  struct inet_diag_msg *socket = mnl_nlmsg_get_payload(message);
  struct sock_diag_record record;

  (void)state;
  assert_int_equal(sock_diag_parse(message, &record), 0);
  socket->idiag_family = AF_UNIX;
  assert_int_equal(sock_diag_parse(message, &record), -EAFNOSUPPORT);
  socket->idiag_family = AF_INET;
  socket->idiag_state = 0;
  assert_int_equal(sock_diag_parse(message, &record), -EBADMSG);
  socket->idiag_state = TCP_STATE_COUNT;
  assert_int_equal(sock_diag_parse(message, &record), -EBADMSG);
  free(datagram);
}

/* --- A socket, field by field --------------------------------------------------- */

struct message {
  struct nlmsghdr header;
  struct inet_diag_msg socket;
};

static struct message make_message(uint8_t family, uint8_t state, uint8_t timer) {
  struct message message = {
      .header = {.nlmsg_len = sizeof(struct nlmsghdr) + sizeof(struct inet_diag_msg),
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY},
      .socket = {.idiag_family = family,
                 .idiag_state = state,
                 .idiag_timer = timer,
                 .idiag_retrans = 3,
                 .idiag_expires = 41000,
                 .idiag_rqueue = 5,
                 .idiag_wqueue = 6,
                 .idiag_inode = 77,
                 .id = {.idiag_sport = htons(40000),
                        .idiag_dport = htons(443),
                        .idiag_cookie = {0x55667788, 0x11223344}}},
  };

  return message;
}

static void test_fields(void **state) {
  struct message message = make_message(AF_INET, TCP_STATE_SYN_SENT, 1);
  struct net_address local, remote;
  struct sock_diag_record record;

  (void)state;
  message.socket.id.idiag_src[0] = htonl(0x0a000001);
  message.socket.id.idiag_dst[0] = htonl(0xc0000207);
  assert_int_equal(sock_diag_parse(&message.header, &record), 0);
  assert_int_equal(net_address_parse("10.0.0.1", &local), 0);
  assert_int_equal(net_address_parse("192.0.2.7", &remote), 0);
  assert_true(net_address_equal(&record.local.address, &local));
  assert_true(net_address_equal(&record.remote.address, &remote));
  assert_int_equal(record.local.port, 40000);
  assert_int_equal(record.remote.port, 443);
  assert_int_equal(record.retransmits, 3);
  assert_int_equal(record.expires_ms, 41000);
  assert_int_equal(record.receive_queue, 5);
  assert_int_equal(record.send_queue, 6);
  assert_int_equal(record.inode, 77);
  assert_true(record.cookie == UINT64_C(0x1122334455667788));
  assert_false(record.minisocket);
  assert_null(record.info);
}

static bool is_minisocket(uint8_t tcp_state, uint8_t timer) {
  struct message message = make_message(AF_INET6, tcp_state, timer);
  struct sock_diag_record record;

  assert_int_equal(sock_diag_parse(&message.header, &record), 0);
  return record.minisocket;
}

/* An older kernel's tcp_info is shorter, a newer one's longer; what is missing is 0. */
static void test_tcp_info_of_other_kernels(void **state) {
  static const size_t sizes[] = {0, 4, 72, 104, sizeof(struct tcp_info),
                                 sizeof(struct tcp_info) + 40};

  (void)state;
  for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
    _Alignas(struct nlmsghdr) char buffer[1024] = {0};
    struct message *message = (struct message *)(void *)buffer;
    char info[512];
    struct sock_diag_record record;

    memset(info, 0x11, sizeof(info));
    *message = make_message(AF_INET, TCP_STATE_ESTABLISHED, 0);
    mnl_attr_put(&message->header, INET_DIAG_INFO, sizes[i], info);
    assert_int_equal(sock_diag_parse(&message->header, &record), 0);
    assert_non_null(record.info);
    assert_int_equal(record.info_size, sizes[i] < sizeof(struct tcp_info)
                                           ? sizes[i]
                                           : sizeof(struct tcp_info));
    assert_int_equal(record.info->tcpi_rtt, sizes[i] >= 72 ? 0x11111111 : 0);
    assert_int_equal(record.info->tcpi_min_rtt,
                     sizes[i] >= sizeof(struct tcp_info) ? 0x11111111 : 0);
    assert_int_equal(sock_diag_parse_socket(&message->header, &record), 0);
    assert_null(record.info);
  }
}

static void test_minisockets(void **state) {
  (void)state;
  assert_true(is_minisocket(TCP_STATE_TIME_WAIT, 3));
  assert_true(is_minisocket(TCP_STATE_FIN_WAIT2, 3));
  assert_false(is_minisocket(TCP_STATE_FIN_WAIT2, 2));
  assert_false(is_minisocket(TCP_STATE_FIN_WAIT2, 0));
  assert_false(is_minisocket(TCP_STATE_ESTABLISHED, 0));
}

/* --- The live kernel ------------------------------------------------------------------ */

struct wanted {
  uint16_t port;
  unsigned found;
  uint32_t limit;
};

static void look_for(const struct sock_diag_record *record, void *data) {
  struct wanted *wanted = data;

  assert_int_equal(record->state, TCP_STATE_LISTEN);
  if (record->local.port == wanted->port) {
    wanted->found++;
    wanted->limit = record->send_queue;
  }
}

static void test_live_listener(void **state) {
  const struct sock_diag_request request = {.states = 1u << TCP_STATE_LISTEN};
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof(address);
  struct sock_diag *diag = NULL;
  struct sock_diag_result result;
  int listener = socket(AF_INET, SOCK_STREAM, 0);

  (void)state;
  assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
  assert_int_equal(listen(listener, 3), 0);
  assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
  assert_int_equal(sock_diag_open(&diag), 0);
  for (int round = 0; round < 2; round++) {
    struct wanted wanted = {.port = ntohs(address.sin_port)};

    assert_int_equal(sock_diag_dump_tcp(diag, &request, look_for, &wanted, &result), 0);
    assert_int_equal(wanted.found, 1);
    assert_int_equal(wanted.limit, 3);
    assert_true(result.requests >= 1 && result.sockets >= 1);
    assert_int_equal(result.malformed, 0);
  }
  sock_diag_close(diag);
  close(listener);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_legacy_dump),
      cmocka_unit_test(test_dumps_by_family),
      cmocka_unit_test(test_dump_with_info),
      cmocka_unit_test(test_listeners),
      cmocka_unit_test(test_udp_dumps),
      cmocka_unit_test(test_cut_at_every_byte),
      cmocka_unit_test(test_short_messages),
      cmocka_unit_test(test_inconsistent_messages),
      cmocka_unit_test(test_fields),
      cmocka_unit_test(test_minisockets),
      cmocka_unit_test(test_tcp_info_of_other_kernels),
      cmocka_unit_test(test_live_listener),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

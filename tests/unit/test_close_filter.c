/* SPDX-License-Identifier: MIT
 *
 * The kernel itself runs the program: a datagram socket drops what its filter does not
 * let through. The messages are those that the kernel sent for sockets of ours.
 */
#include "unit.h"

#include "close_filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 5000
#define MESSAGE_MAX 1024

struct message {
  size_t size;
  union {
    struct nlmsghdr header;
    char bytes[MESSAGE_MAX];
  };
};

/* --- A message of the kernel's --------------------------------------------------------- */

static struct inet_diag_msg *diag_of(struct message *message) {
  return mnl_nlmsg_get_payload(&message->header);
}

/* A connection to ourselves, closed. */
static uint16_t close_one(int family, const char *address) {
  struct sockaddr_storage storage = {.ss_family = (sa_family_t)family};
  struct sockaddr_in *ipv4 = (struct sockaddr_in *)&storage;
  struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)&storage;
  socklen_t length = family == AF_INET ? sizeof(*ipv4) : sizeof(*ipv6);
  int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int client = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), server;

  assert_int_equal(1, inet_pton(family, address,
                                family == AF_INET ? (void *)&ipv4->sin_addr
                                                  : (void *)&ipv6->sin6_addr));
  assert_int_equal(0, bind(listener, (struct sockaddr *)&storage, length));
  assert_int_equal(0, listen(listener, 1));
  assert_int_equal(0, getsockname(listener, (struct sockaddr *)&storage, &length));
  assert_int_equal(0, connect(client, (struct sockaddr *)&storage, length));
  server = accept(listener, NULL, NULL);
  assert_true(server >= 0);
  close(client);
  close(server);
  close(listener);
  return family == AF_INET ? ipv4->sin_port : ipv6->sin6_port;
}

static struct mnl_socket *listen_to_closes(void) {
  struct mnl_socket *netlink = mnl_socket_open(NETLINK_SOCK_DIAG);

  if (!netlink || mnl_socket_bind(netlink,
                                  1u << (SKNLGRP_INET_TCP_DESTROY - 1) |
                                      1u << (SKNLGRP_INET6_TCP_DESTROY - 1),
                                  MNL_SOCKET_AUTOPID) < 0) {
    print_message("skipped: no close events here: %s\n", strerror(errno));
    skip();
  }
  return netlink;
}

/* The event of one of our sockets, in the family's layout. */
static struct message catch_close(int family, const char *address) {
  struct mnl_socket *netlink = listen_to_closes();
  struct pollfd ready = {.fd = mnl_socket_get_fd(netlink), .events = POLLIN};
  uint16_t port = close_one(family, address);
  struct message message;

  do {
    ssize_t size;

    assert_int_equal(1, poll(&ready, 1, WAIT_MS));
    size = mnl_socket_recvfrom(netlink, message.bytes, sizeof(message.bytes));
    assert_true(size > (ssize_t)(NLMSG_HDRLEN + sizeof(struct inet_diag_msg)));
    message.size = (size_t)size;
  } while (diag_of(&message)->id.idiag_dport != port);
  mnl_socket_close(netlink);
  assert_int_equal(family, diag_of(&message)->idiag_family);
  return message;
}

/* --- The kernel runs the program ----------------------------------------------------------- */

static struct {
  int from, to;
  struct message ipv4, ipv6;
} kernel;

static bool attach(struct close_filter *filter) {
  const struct sock_fprog program = {.len = (unsigned short)filter->length,
                                     .filter = filter->instructions};

  return setsockopt(kernel.to, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0;
}

static bool passes(const struct message *message) {
  char received[MESSAGE_MAX];
  ssize_t size;

  assert_int_equal(message->size, send(kernel.from, message->bytes, message->size, 0));
  size = recv(kernel.to, received, sizeof(received), MSG_DONTWAIT);
  assert_true(size == (ssize_t)message->size || (size < 0 && errno == EAGAIN));
  return size > 0;
}

/* An event of a connection to this address, in one or the other layout. */
static bool delivers(const struct net_address *remote, bool as_ipv4) {
  struct message message = as_ipv4 ? kernel.ipv4 : kernel.ipv6;
  struct inet_diag_msg *diag = diag_of(&message);

  memcpy(diag->id.idiag_dst, remote->bytes + (as_ipv4 ? 12 : 0), as_ipv4 ? 4 : 16);
  return passes(&message);
}

static struct net_address ipv4_address(uint32_t number) {
  number = htonl(number);
  return net_address_from_ipv4(&number);
}

static struct net_address address_of(const char *text) {
  struct net_address address;

  assert_int_equal(0, net_address_parse(text, &address));
  return address;
}

static void add(struct nat_networks *networks, const char *text) {
  struct net_prefix prefix;

  assert_int_equal(0, net_prefix_parse(text, &prefix));
  assert_int_equal(0, nat_networks_add(networks, &prefix));
}

static int set_up(void **state) {
  static struct nat_config config;
  int pair[2];

  kernel.ipv4 = catch_close(AF_INET, "127.0.0.1");
  kernel.ipv6 = catch_close(AF_INET6, "::ffff:127.0.0.1");
  assert_int_equal(0, socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair));
  kernel.from = pair[0];
  kernel.to = pair[1];
  config = (struct nat_config)NAT_CONFIG_DEFAULTS;
  assert_int_equal(0, nat_config_complete(&config));
  *state = &config;
  return 0;
}

static int tear_down(void **state) {
  close(kernel.from);
  close(kernel.to);
  nat_config_free(*state);
  return 0;
}

static struct close_filter filter;

static void make(const struct nat_config *config, size_t most) {
  assert_int_equal(0, close_filter_make(config, most, &filter));
  assert_true(filter.length > 0 && filter.length <= most);
  assert_true(attach(&filter));
}

/* --- Which come ---------------------------------------------------------------------------- */

static void expect(const char *text, bool wanted) {
  const struct net_address address = address_of(text);

  if (net_address_is_ipv4(&address) && delivers(&address, true) != wanted)
    fail_msg("%s", text);
  if (delivers(&address, false) != wanted)
    fail_msg("%s in the layout of IPv6", text);
}

static void test_public_ones_come(void **state) {
  make(*state, BPF_MAXINSNS);
  expect("198.51.100.10", true);
  expect("1.0.0.0", true);
  expect("223.255.255.255", true);
  expect("0.0.0.0", false);
  expect("10.0.0.1", false);
  expect("127.0.0.1", false);
  expect("255.255.255.255", false);
  expect("199.36.153.7", false);
  expect("199.36.153.12", true);
  expect("64:ff9b::c633:640a", true);
  expect("64:ff9b:1::c633:640a", false);
  expect("64:ff9b::1:c633:640a", false);
  expect("2001:db8::1", false);
  expect("::1", false);
  expect("::198.51.100.10", false);
}

/* Aborted sockets have forgotten their own address, and the port of the other. */
static void test_ports_and_source_do_not_matter(void **state) {
  struct message message = kernel.ipv4;
  struct inet_diag_msg *diag = diag_of(&message);
  const struct net_address remote = address_of("198.51.100.10");

  make(*state, BPF_MAXINSNS);
  diag->id.idiag_dport = 0;
  memset(diag->id.idiag_src, 0, sizeof(diag->id.idiag_src));
  memcpy(diag->id.idiag_dst, remote.bytes + 12, 4);
  assert_true(passes(&message));
}

static void test_networks_bypass_and_several_gateways(void **state) {
  struct nat_config *config = *state;

  config->gateway_count = 2;
  config->gateways[1] = (struct nat_gateway_config){0};
  add(&config->gateways[0].traffic.bypass, "198.51.100.0/24");
  add(&config->gateways[1].traffic.networks, "10.8.0.0/16");
  add(&config->gateways[1].traffic.bypass, "10.8.1.0/24");
  make(config, BPF_MAXINSNS);
  expect("198.51.100.10", false);
  expect("198.51.101.10", true);
  expect("10.8.0.1", true);
  expect("10.8.1.1", false);
  expect("10.9.0.1", false);
  config->gateways[0].own_bypass = true;
  make(config, BPF_MAXINSNS);
  expect("198.51.101.10", false);
  expect("10.8.0.1", true);
  config->gateways[1].own_bypass = true;
  make(config, BPF_MAXINSNS);
  expect("10.8.0.1", false);
}

/* --- Long lists ------------------------------------------------------------------------------ */

static uint32_t random_number(void) {
  return (uint32_t)random() << 16 ^ (uint32_t)random();
}

/* `count` networks all over, none of them alike in size. */
static void add_many(struct nat_networks *networks, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    unsigned bits = 8 + (unsigned)random() % 25;
    struct net_prefix prefix = {ipv4_address(random_number() & UINT32_MAX << (32 - bits)),
                                (uint8_t)(96 + bits)};

    if (bits >= 16)
      assert_int_equal(0, nat_networks_add(networks, &prefix));
  }
}

/* How many of those that take no gateway are kept back, of a thousand; none that takes it
 * may be. */
static unsigned count_kept_back(const struct nat_config *config, uint32_t (*choose)(void)) {
  const struct nat_traffic *traffic = &config->gateways[0].traffic;
  unsigned bypass = 0, kept_back = 0;

  for (unsigned i = 0; i < 4000; i++) {
    const struct net_address address = ipv4_address(choose());
    bool delivered = delivers(&address, i % 2);

    if (nat_traffic_takes(traffic, &address)) {
      assert_true(delivered);
    } else {
      bypass++;
      kept_back += !delivered;
    }
  }
  return bypass ? 1000 * kept_back / bypass : 1000;
}

static const struct nat_networks *edges;

/* At the edge of a network, or beside it. */
static uint32_t near_an_edge(void) {
  const struct nat_range *range = &edges->ranges[(size_t)random() % edges->count];
  uint32_t number;

  memcpy(&number, (random() % 2 ? range->first : range->last).bytes + 12, sizeof(number));
  return ntohl(number) + (uint32_t)(random() % 3) - 1;
}

static void test_agrees_with_the_reader(void **state) {
  struct nat_config *config = *state;
  unsigned seed = (unsigned)time(NULL);

  print_message("seed %u\n", seed);
  srandom(seed);
  add_many(&config->gateways[0].traffic.bypass, 600);
  edges = &config->gateways[0].traffic.bypass;
  make(config, BPF_MAXINSNS);
  assert_int_equal(1000, count_kept_back(config, random_number));
  assert_int_equal(1000, count_kept_back(config, near_an_edge));
}

/* The small ranges come then; the large ones do not. */
static void test_too_long_a_list_keeps_the_largest(void **state) {
  struct nat_config *config = *state;
  unsigned some;

  srandom(1);
  add_many(&config->gateways[0].traffic.bypass, 6000);
  edges = &config->gateways[0].traffic.bypass;
  assert_true(edges->count > BPF_MAXINSNS / 4);
  for (size_t most = BPF_MAXINSNS; most >= CLOSE_FILTER_LEAST; most /= 2) {
    make(config, most);
    some = count_kept_back(config, near_an_edge);
    assert_in_range(some, 1, 999);
    assert_in_range(count_kept_back(config, random_number), 900, 1000);
    expect("10.1.2.3", false);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_public_ones_come, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_ports_and_source_do_not_matter, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_networks_bypass_and_several_gateways, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_agrees_with_the_reader, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_too_long_a_list_keeps_the_largest, set_up,
                                      tear_down),
  };

  return cmocka_run_group_tests_name("close_filter", tests, NULL, NULL);
}

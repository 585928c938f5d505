/* SPDX-License-Identifier: MIT */
#include "nat_host.h"

#include "nat_rows.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

/* TCP_TIMEWAIT_LEN, include/net/tcp.h. */
#define TIME_WAIT_MS 60000u

/* The kernel keeps at most tcp_max_tw_buckets of them (tcp(7)), 262,144 by default
 * on a machine with memory for them; more than this are left out. */
#define PAST_CLOSES_MAX 1048576u

int nat_host_read_addresses(struct nat_engine *engine) {
  struct net_address addresses[NAT_OWN_ADDRESSES_MAX];
  struct ifaddrs *list = NULL;
  size_t count = 0;
  int status;

  if (getifaddrs(&list) < 0)
    return -errno;
  for (const struct ifaddrs *one = list;
       one && count < sizeof(addresses) / sizeof(*addresses); one = one->ifa_next) {
    struct net_endpoint endpoint;

    if (one->ifa_addr &&
        net_endpoint_from_sockaddr(one->ifa_addr,
                                   one->ifa_addr->sa_family == AF_INET
                                       ? sizeof(struct sockaddr_in)
                                       : sizeof(struct sockaddr_in6),
                                   &endpoint))
      addresses[count++] = endpoint.address;
  }
  status = nat_engine_set_own_addresses(engine, addresses, count);
  freeifaddrs(list);
  return status;
}

uint32_t nat_host_ephemeral_ports(void) {
  FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
  unsigned low = 0, high = 0;
  int fields = 0;

  if (!file)
    return 0;
  fields = fscanf(file, "%u %u", &low, &high);
  fclose(file);
  return fields == 2 && low <= high && high <= UINT16_MAX ? high - low + 1 : 0;
}

/* What a pass finds of closed connections. */
struct recall {
  struct nat_engine *engine;
  const struct nat_config *config;
  nanoseconds now, since, until;
  uint32_t fin_wait2_ms;
  struct nat_rows closes; /* struct nat_recalled */
};

/* A FIN_WAIT2 minisocket lives for tcp_fin_timeout, but not longer than one in
 * TIME_WAIT (tcp_rcv_state_process() in net/ipv4/tcp_input.c). */
static uint32_t read_fin_timeout_ms(void) {
  FILE *file = fopen("/proc/sys/net/ipv4/tcp_fin_timeout", "re");
  unsigned seconds = TIME_WAIT_MS / 1000;
  int fields = 0;

  if (!file)
    return TIME_WAIT_MS;
  fields = fscanf(file, "%u", &seconds);
  fclose(file);
  return fields == 1 && seconds < TIME_WAIT_MS / 1000 ? seconds * 1000 : TIME_WAIT_MS;
}

static void add_listener(const struct sock_diag_record *record, void *data) {
  struct recall *recall = data;

  nat_engine_add_listener(recall->engine, record->local.port);
}

/* One that finds no place in the row is left out. */
static void add_minisocket(const struct sock_diag_record *record, void *data) {
  struct recall *recall = data;
  uint32_t life =
      record->state == TCP_STATE_TIME_WAIT ? TIME_WAIT_MS : recall->fin_wait2_ms;
  uint32_t age = record->expires_ms < life ? life - record->expires_ms : 0;
  struct nat_recalled closed = {.time = recall->now - age * NANOSECONDS_PER_MILLISECOND,
                                .ends = {record->local, record->remote}};

  if (record->minisocket && closed.time >= recall->since && closed.time < recall->until &&
      !nat_engine_listens(recall->engine, record->local.port) &&
      nat_engine_choose(recall->config, &record->local.address, &record->remote.address,
                        true))
    nat_rows_add(&recall->closes, &closed);
}

static int find_closed(struct recall *recall, bool listeners) {
  const struct sock_diag_request listening = {.states = 1u << TCP_STATE_LISTEN};
  const struct sock_diag_request waiting = {.states = 1u << TCP_STATE_TIME_WAIT |
                                                      1u << TCP_STATE_FIN_WAIT2};
  struct sock_diag_result result;
  struct sock_diag *diag = NULL;
  int status = sock_diag_open(&diag);

  nat_rows_init(&recall->closes, sizeof(struct nat_recalled), PAST_CLOSES_MAX);
  recall->fin_wait2_ms = read_fin_timeout_ms();
  if (status == 0 && listeners)
    status = sock_diag_dump_tcp(diag, &listening, add_listener, recall, &result);
  recall->now = clock_now(CLOCK_MONOTONIC);
  if (status == 0)
    status = sock_diag_dump_tcp(diag, &waiting, add_minisocket, recall, &result);
  sock_diag_close(diag);
  return status;
}

int nat_host_recall(struct nat_engine *engine, const struct nat_config *config,
                    nanoseconds until) {
  struct recall recall = {
      .engine = engine, .config = config, .since = INT64_MIN, .until = until};
  int status = find_closed(&recall, true);

  nat_engine_recall(engine, nat_rows_at(&recall.closes, 0), recall.closes.count);
  nat_rows_free(&recall.closes);
  return status;
}

int nat_host_heal(struct nat_engine *engine, const struct nat_config *config,
                  nanoseconds since) {
  struct recall recall = {
      .engine = engine, .config = config, .since = since, .until = INT64_MAX};
  int status = find_closed(&recall, false);

  nat_engine_heal(engine, recall.now, nat_rows_at(&recall.closes, 0),
                  recall.closes.count);
  nat_rows_free(&recall.closes);
  return status;
}

/* --- UDP --------------------------------------------------------------------------------- */

struct udp_reading {
  struct nat_engine *engine;
  const struct nat_config *config;
};

/* Whether the gateway still holds its port depends on packets that are not seen: hence
 * not in the low bound. */
static void take_udp(const struct sock_diag_record *record, void *data) {
  static const struct nat_live live = {.open = 1, .drowsy = 1};
  const struct udp_reading *reading = data;
  const struct nat_ends ends = {record->local, record->remote};
  const struct nat_gateway_config *gateway = nat_engine_choose(
      reading->config, &record->local.address, &record->remote.address, true);
  struct nat_place place = {.protocol = NAT_UDP};

  if (!gateway || nat_engine_is_own(reading->engine, &record->remote.address))
    return;
  place.gateway = (uint8_t)(gateway - reading->config->gateways);
  nat_engine_take_flow(reading->engine, &place, &ends, &live);
}

int nat_host_read_udp(struct nat_engine *engine, const struct nat_config *config) {
  const struct sock_diag_request connected = {.states = 1u << TCP_STATE_ESTABLISHED};
  struct udp_reading reading = {engine, config};
  struct sock_diag_result result;
  struct sock_diag *diag = NULL;
  int status = sock_diag_open(&diag);

  if (status == 0)
    status = sock_diag_dump_udp(diag, &connected, take_udp, &reading, &result);
  sock_diag_close(diag);
  if (status == 0)
    nat_engine_measure(engine, NAT_UDP);
  return status;
}

/* SPDX-License-Identifier: MIT
 *
 * libcurl's callbacks: what happened, and when.
 */
#include "transfer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static nanoseconds now(void) { return clock_now(CLOCK_MONOTONIC); }

/* --- Sockets ----------------------------------------------------------------- */

static void note_socket(struct transfer *transfer, int descriptor,
                        const struct curl_sockaddr *address) {
  struct transfer_socket *socket;

  if (transfer->socket_count == TRANSFER_SOCKETS_MAX) {
    memmove(&transfer->sockets[0], &transfer->sockets[1],
            sizeof(transfer->sockets) - sizeof(transfer->sockets[0]));
    transfer->socket_count--;
  }
  socket = &transfer->sockets[transfer->socket_count++];
  *socket = (struct transfer_socket){.descriptor = descriptor};
  net_endpoint_from_sockaddr(&address->addr, address->addrlen, &socket->remote);
}

/* There is one connection to the proxy, and no second one. */
static curl_socket_t inherit(struct transfer *transfer) {
  struct transfer_step *step = transfer_step_now(transfer);
  curl_socket_t descriptor = step->inherited >= 0 ? step->inherited : CURL_SOCKET_BAD;

  step->inherited = -1;
  return descriptor;
}

static int on_socket_options(void *data, curl_socket_t descriptor,
                             curlsocktype purpose) {
  const struct transfer *transfer = data;

  (void)descriptor;
  (void)purpose;
  return transfer_is_behind(transfer) ? CURL_SOCKOPT_ALREADY_CONNECTED
                                      : CURL_SOCKOPT_OK;
}

static curl_socket_t on_socket(void *data, curlsocktype purpose,
                               struct curl_sockaddr *address) {
  struct transfer *transfer = data;
  int descriptor;

  (void)purpose;
  if (transfer_is_behind(transfer))
    return inherit(transfer);
  phases_on_socket(&transfer->phases, now());
  descriptor = socket(address->family, address->socktype | SOCK_CLOEXEC,
                      address->protocol);
  if (descriptor < 0) {
    transfer->attempt.no_socket = errno != EAFNOSUPPORT;
    transfer->attempt.system_error = errno;
    return CURL_SOCKET_BAD;
  }
  note_socket(transfer, descriptor, address);
  return descriptor;
}

/* A descriptor may be closed by now, and be another connection's: it counts only
 * if it leads where this one was meant to lead. */
static bool read_rtt(const struct transfer_socket *entry, nanoseconds *rtt) {
  struct sockaddr_storage peer;
  socklen_t peer_size = sizeof(peer);
  struct tcp_info info = {0};
  socklen_t info_size = sizeof(info);
  struct net_endpoint remote;

  if (getpeername(entry->descriptor, (struct sockaddr *)&peer, &peer_size) < 0 ||
      !net_endpoint_from_sockaddr((struct sockaddr *)&peer, peer_size, &remote) ||
      !net_endpoint_equal(&remote, &entry->remote) ||
      getsockopt(entry->descriptor, IPPROTO_TCP, TCP_INFO, &info, &info_size) < 0 ||
      info.tcpi_rtt == 0)
    return false;
  *rtt = (nanoseconds)info.tcpi_rtt * NANOSECONDS_PER_MICROSECOND;
  return true;
}

/* Of the first connection: a redirect's is another path. */
void transfer_sample_rtt(struct transfer *transfer) {
  for (size_t i = 0; i < transfer->socket_count && transfer->redirects == 0; i++)
    if (read_rtt(&transfer->sockets[i], &transfer->rtt))
      return;
}

/* connect(2) on a datagram socket looks the route up and sends nothing. */
bool transfer_has_route(const struct transfer *transfer) {
  const struct transfer_socket *last;
  struct sockaddr_in6 address = {.sin6_family = AF_INET6};
  struct sockaddr_in address4 = {.sin_family = AF_INET};
  bool is_ipv4, found;
  int descriptor;

  if (transfer->socket_count == 0)
    return true;
  last = &transfer->sockets[transfer->socket_count - 1];
  is_ipv4 = net_address_is_ipv4(&last->remote.address);
  memcpy(&address.sin6_addr, last->remote.address.bytes, sizeof(address.sin6_addr));
  memcpy(&address4.sin_addr, last->remote.address.bytes + 12, sizeof(address4.sin_addr));
  address.sin6_port = address4.sin_port = htons(last->remote.port);
  descriptor = socket(is_ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0)
    return true;
  found = connect(descriptor,
                  is_ipv4 ? (struct sockaddr *)&address4 : (struct sockaddr *)&address,
                  is_ipv4 ? sizeof(address4) : sizeof(address)) == 0 ||
          (errno != ENETUNREACH && errno != EHOSTUNREACH);
  close(descriptor);
  return found;
}

/* --- Requests and answers ---------------------------------------------------------- */

static void note_request(struct transfer *transfer, bool connects) {
  phases_on_request(&transfer->phases, connects, now());
  transfer_lift_limit(transfer);
  transfer_sample_rtt(transfer);
}

static int on_request(void *data, char *remote, char *local, int remote_port,
                      int local_port) {
  (void)remote;
  (void)local;
  (void)remote_port;
  (void)local_port;
  note_request(data, false);
  return CURL_PREREQFUNC_OK;
}

static bool is_connect(const char *head, size_t length) {
  static const char method[] = "CONNECT ";

  return length >= strlen(method) && memcmp(head, method, strlen(method)) == 0;
}

/* After CONNECT there is nothing more to hear if on_request tells of the rest. */
static int on_debug(CURL *easy, curl_infotype type, char *text, size_t size, void *data) {
  if (type != CURLINFO_HEADER_OUT)
    return 0;
  note_request(data, is_connect(text, size));
  if (is_connect(text, size) && CURL_HAS_PREREQUEST)
    curl_easy_setopt(easy, CURLOPT_VERBOSE, 0L);
  return 0;
}

static bool is_empty_line(const char *line, size_t length) {
  return length > 0 && (line[0] == '\r' || line[0] == '\n');
}

static bool is_too_long(const struct transfer *transfer) {
  return transfer->head_bytes >
         (phases_current(&transfer->phases) == PHASE_TUNNEL ? TRANSFER_TUNNEL_HEAD_MAX
                                                            : TRANSFER_HEAD_MAX);
}

/* What a proxy says below the head of its refusal is not for us. libcurl would read it,
 * if that was 407, a byte at a time until its end, and no time limit ends that before. */
static bool is_refused(const struct transfer *transfer, const char *line, size_t length) {
  long status = 0;

  if (!is_empty_line(line, length) ||
      phases_current(&transfer->phases) != PHASE_TUNNEL ||
      transfer->phases.tunnel_granted)
    return false;
  curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &status);
  return status / 100 != 2;
}

static size_t on_header(char *line, size_t size, size_t count, void *data) {
  struct transfer *transfer = data;
  size_t length = size * count;
  int status = status_line_parse(line, length);

  transfer->head_bytes += length;
  transfer->head_cut = is_too_long(transfer) || is_refused(transfer, line, length);
  if (transfer->head_cut)
    return 0;
  if (status != 0) {
    transfer->answer = (struct proxy_answer){0};
    phases_on_answer(&transfer->phases, status, now());
    transfer_sample_rtt(transfer);
  } else {
    proxy_answer_add(&transfer->answer, line, length);
  }
  if (is_empty_line(line, length))
    phases_on_answer_read(&transfer->phases, now());
  return length;
}

/* Doubled, for an answer may come in thousands of pieces. */
static bool keep(struct transfer *transfer, const char *bytes, size_t length) {
  size_t needed = transfer->body_length + length + 1;
  size_t size = needed > transfer->body_size ? 2 * needed : transfer->body_size;

  if (size > transfer->body_size) {
    char *longer = realloc(transfer->body, size);

    if (!longer)
      return false;
    transfer->body = longer;
    transfer->body_size = size;
  }
  memcpy(transfer->body + transfer->body_length, bytes, length);
  transfer->body[transfer->body_length + length] = '\0';
  return true;
}

/* MaxBody is for the body that matters. libcurl says where an answer leads only if it
 * has come to its end, so the words that go with a redirect are read, too. */
static size_t body_limit(const struct transfer *transfer) {
  size_t limit = (size_t)transfer->target->max_body;
  long status = 0;

  curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
  return transfer->target->follow_redirects && status / 100 == 3 &&
                 limit < PROBE_MAX_BODY_DEFAULT
             ? PROBE_MAX_BODY_DEFAULT
             : limit;
}

/* Keeps what ExpectBody will be searched in, and stops the transfer at the limit. */
static size_t on_body(char *bytes, size_t size, size_t count, void *data) {
  struct transfer *transfer = data;
  size_t length = size * count;
  size_t room = body_limit(transfer) - transfer->body_length;
  size_t kept = length < room ? length : room;

  if (transfer->target->expectation.body_text && kept > 0 &&
      !keep(transfer, bytes, kept))
    return 0;
  transfer->body_length += kept;
  transfer->body_cut = kept < length;
  return transfer->body_cut ? 0 : length;
}

/* DEBUGFUNCTION is called only if VERBOSE is set; then libcurl also puts each message of
 * TLS into words, some 3 % of the CPU time of an HTTPS probe. PREREQFUNCTION is called
 * for CONNECT_ONLY, too, though nothing is sent. */
CURLcode transfer_watch_requests(struct transfer *transfer, bool sends_connect,
                                 bool sends_request) {
  CURL *easy = transfer->easy;

  CURL_SET(CURLOPT_DEBUGFUNCTION, on_debug);
  CURL_SET(CURLOPT_DEBUGDATA, transfer);
  CURL_SET(CURLOPT_VERBOSE, sends_connect || !CURL_HAS_PREREQUEST ? 1L : 0L);
  return sends_request ? curl_set_prerequest(easy, on_request, transfer) : CURLE_OK;
}

CURLcode transfer_watch(struct transfer *transfer) {
  CURL *easy = transfer->easy;

  CURL_SET(CURLOPT_OPENSOCKETFUNCTION, on_socket);
  CURL_SET(CURLOPT_OPENSOCKETDATA, transfer);
  CURL_SET(CURLOPT_SOCKOPTFUNCTION, on_socket_options);
  CURL_SET(CURLOPT_SOCKOPTDATA, transfer);
  CURL_SET(CURLOPT_HEADERFUNCTION, on_header);
  CURL_SET(CURLOPT_HEADERDATA, transfer);
  CURL_SET(CURLOPT_WRITEFUNCTION, on_body);
  CURL_SET(CURLOPT_WRITEDATA, transfer);
  return transfer_watch_tls(transfer);
}

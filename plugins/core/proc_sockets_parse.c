/* SPDX-License-Identifier: MIT */
#include "proc_sockets.h"

#include <errno.h>

/* The kernel shows times in 1/100 s on all architectures (USER_HZ,
 * include/asm-generic/param.h). */
#define TICK_MS 10

/* Each 32 bits of an address, as they lie in memory, printed as a number of this
 * machine (get_tcp4_sock() in net/ipv4/tcp_ipv4.c). */
static bool take_address(struct proc_text *word, struct net_address *address) {
  uint32_t parts[4];
  size_t count = 0;

  while (count < 4 && word->end - word->at >= 8) {
    struct proc_text digits = {word->at, word->at + 8};
    uint64_t number;

    if (!proc_text_number(&digits, 16, UINT32_MAX, &number) || digits.at < digits.end)
      break;
    parts[count++] = (uint32_t)number;
    word->at += 8;
  }
  if (count == 1)
    *address = net_address_from_ipv4(parts);
  else if (count == 4)
    *address = net_address_from_ipv6(parts);
  return count == 1 || count == 4;
}

static bool take_endpoint(struct proc_text *line, struct net_endpoint *endpoint) {
  struct proc_text word;
  uint64_t port = 0;

  if (!proc_text_word(line, &word) || !take_address(&word, &endpoint->address) ||
      !proc_text_skip(&word, ':') || !proc_text_number(&word, 16, UINT16_MAX, &port) ||
      word.at < word.end)
    return false;
  endpoint->port = (uint16_t)port;
  return true;
}

/* "AAAA:BBBB", or one number alone where `second` is NULL. */
static bool take_numbers(struct proc_text *line, unsigned base, uint64_t *first,
                         uint64_t *second) {
  struct proc_text word;

  if (!proc_text_word(line, &word) ||
      !proc_text_number(&word, base, UINT64_MAX, first))
    return false;
  if (second && (!proc_text_skip(&word, ':') ||
                 !proc_text_number(&word, base, UINT64_MAX, second)))
    return false;
  return word.at == word.end;
}

static uint32_t clamp(uint64_t number) {
  return number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
}

static bool take_state(struct proc_text *line, struct sock_diag_record *record) {
  uint64_t state = 0;

  if (!take_numbers(line, 16, &state, NULL) || state == 0 || state >= TCP_STATE_COUNT)
    return false;
  record->state = (uint8_t)state;
  return true;
}

static bool take_queues_and_timer(struct proc_text *line,
                                  struct sock_diag_record *record) {
  uint64_t send = 0, receive = 0, timer = 0, ticks = 0, retransmits = 0;

  if (!take_numbers(line, 16, &send, &receive) ||
      !take_numbers(line, 16, &timer, &ticks) ||
      !take_numbers(line, 16, &retransmits, NULL) || timer > UINT8_MAX)
    return false;
  record->send_queue = clamp(send);
  record->receive_queue = clamp(receive);
  record->timer = (uint8_t)timer;
  record->retransmits = (uint8_t)(retransmits < UINT8_MAX ? retransmits : UINT8_MAX);
  record->expires_ms = ticks < UINT32_MAX / TICK_MS ? (uint32_t)ticks * TICK_MS : UINT32_MAX;
  return true;
}

static bool take_inode(struct proc_text *line, struct sock_diag_record *record) {
  uint64_t user = 0, probes = 0, inode = 0;

  if (!take_numbers(line, 10, &user, NULL) || !take_numbers(line, 10, &probes, NULL) ||
      !take_numbers(line, 10, &inode, NULL))
    return false;
  record->inode = clamp(inode);
  return true;
}

int proc_sockets_parse(struct proc_text line, struct sock_diag_record *record) {
  struct proc_text number;

  record->info = NULL;
  record->info_size = 0;
  record->cookie = 0;
  if (!proc_text_word(&line, &number) || !take_endpoint(&line, &record->local) ||
      !take_endpoint(&line, &record->remote) || !take_state(&line, record) ||
      !take_queues_and_timer(&line, record) || !take_inode(&line, record))
    return -EBADMSG;
  record->minisocket = record->state == TCP_STATE_TIME_WAIT ||
                       (record->state == TCP_STATE_FIN_WAIT2 &&
                        record->timer == SOCK_DIAG_TIME_WAIT);
  return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * Lines of /proc/net/tcp, tcp6, udp and udp6.
 */
#include "fuzz.h"
#include "proc_sockets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *first = (const char *)data;
  struct proc_text text = {first, first + size}, line;
  const char *before = first;

  while (proc_text_line(&text, &line)) {
    struct sock_diag_record record;

    FUZZ_REQUIRE(text.at > before && text.at <= text.end);
    FUZZ_REQUIRE(line.at <= line.end && line.end <= text.end);
    before = text.at;
    if (proc_sockets_parse(line, &record) < 0)
      continue;
    FUZZ_REQUIRE(record.state > 0 && record.state < TCP_STATE_COUNT);
    FUZZ_REQUIRE(!record.info && record.info_size == 0);
    FUZZ_REQUIRE(!record.minisocket || record.state == TCP_STATE_TIME_WAIT ||
                 record.state == TCP_STATE_FIN_WAIT2);
  }
  return 0;
}

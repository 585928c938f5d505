/* SPDX-License-Identifier: MIT
 *
 * The head of an answer: each line as libcurl hands it over, which is without an end
 * that could be relied on.
 */
#include "fuzz.h"
#include "proxy_answer.h"

#include <stdlib.h>
#include <string.h>

static void take_line(struct proxy_answer *answer, const uint8_t *line, size_t length) {
  char *copy = malloc(length ? length : 1); /* of just this size: reading on is seen */
  int status;

  FUZZ_REQUIRE(copy != NULL);
  if (length > 0)
    memcpy(copy, line, length);
  status = status_line_parse(copy, length);
  FUZZ_REQUIRE(status == 0 || (status >= 100 && status <= 999));
  if (status != 0)
    *answer = (struct proxy_answer){0};
  else
    proxy_answer_add(answer, copy, length);
  FUZZ_REQUIRE(answer->via <= PROXY_ANSWER_VIA_MAX);
  FUZZ_REQUIRE(answer->reason == PROXY_REASON_NONE ||
               proxy_reason_text(answer->reason) != NULL);
  free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct proxy_answer answer = {0};

  while (size > 0) {
    const uint8_t *end = memchr(data, '\n', size);
    size_t length = end ? (size_t)(end - data) + 1 : size;

    take_line(&answer, data, length);
    data += length;
    size -= length;
  }
  return 0;
}

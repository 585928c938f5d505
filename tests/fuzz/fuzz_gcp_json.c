/* SPDX-License-Identifier: MIT
 *
 * Google's answers. The first byte says which, the second in pieces of what size it
 * comes; the answer must be the same as in one piece.
 */
#include "fuzz.h"
#include "gcp_json.h"

#include <stdlib.h>
#include <string.h>

enum kind { TOKEN, LIST, ROUTER, MAPPING, RULE_MAPPING, SERIES, ERROR, KINDS };

union answer {
  struct gcp_token_answer token;
  struct gcp_nats nats;
  struct gcp_mapping mapping;
  struct gcp_series series;
  struct gcp_error error;
};

static int begin(enum kind kind, union answer *answer, struct json_walk **walk) {
  switch (kind) {
  case TOKEN:
    gcp_token_answer_init(&answer->token);
    return gcp_token_walk(&answer->token, walk);
  case LIST:
    gcp_nats_init(&answer->nats);
    return gcp_router_list_walk(&answer->nats, walk);
  case ROUTER:
    gcp_nats_init(&answer->nats);
    return gcp_router_walk(&answer->nats, walk);
  case MAPPING:
  case RULE_MAPPING:
    gcp_mapping_init(&answer->mapping, "10.0.0.2", kind == MAPPING ? 0 : 100);
    return gcp_mapping_walk(&answer->mapping, walk);
  case SERIES:
    gcp_series_init(&answer->series, "nat-1");
    return gcp_series_walk(&answer->series, walk);
  default:
    gcp_error_init(&answer->error);
    return gcp_error_walk(&answer->error, walk);
  }
}

static int parse(enum kind kind, const uint8_t *data, size_t size, size_t piece,
                 union answer *answer) {
  struct json_walk *walk;
  int status = 0;

  memset(answer, 0, sizeof(*answer));
  FUZZ_REQUIRE(begin(kind, answer, &walk) == 0);
  for (size_t at = 0; at < size && status == 0; at += piece)
    status = json_walk_feed(walk, data + at, size - at < piece ? size - at : piece);
  if (status == 0)
    status = json_walk_finish(walk);
  json_walk_free(walk);
  return status;
}

static void require_text(const char *text, size_t size) {
  FUZZ_REQUIRE(memchr(text, '\0', size) != NULL);
}

static void check_nats(const struct gcp_nats *nats) {
  FUZZ_REQUIRE(nats->count <= GCP_NATS_MAX);
  require_text(nats->page_token, sizeof(nats->page_token));
  for (size_t i = 0; i < nats->count; i++) {
    require_text(nats->nats[i].name, sizeof(nats->nats[i].name));
    require_text(nats->nats[i].router, sizeof(nats->nats[i].router));
    require_text(nats->nats[i].network, sizeof(nats->nats[i].network));
    FUZZ_REQUIRE(nats->nats[i].name[0] != '\0');
    FUZZ_REQUIRE(nats->nats[i].rule_count <= GCP_NAT_RULES_MAX);
  }
}

static void check_series(const struct gcp_series *series) {
  FUZZ_REQUIRE(series->count <= GCP_POINTS_MAX);
  for (size_t i = 0; i < series->count; i++) {
    FUZZ_REQUIRE(series->points[i].value >= 0);
    FUZZ_REQUIRE(series->points[i].protocol <= GCP_OTHER_PROTOCOL);
    FUZZ_REQUIRE(series->points[i].reason <= GCP_OTHER_REASON);
  }
}

static void check(enum kind kind, const union answer *answer) {
  if (kind == TOKEN)
    require_text(answer->token.token, sizeof(answer->token.token));
  else if (kind == LIST || kind == ROUTER)
    check_nats(&answer->nats);
  else if (kind == MAPPING || kind == RULE_MAPPING)
    FUZZ_REQUIRE(gcp_mapping_ports(&answer->mapping)->now >= 0 &&
                 gcp_mapping_ports(&answer->mapping)->drained >= 0);
  else if (kind == SERIES)
    check_series(&answer->series);
  else
    require_text(answer->error.message, sizeof(answer->error.message));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static union answer whole, pieced;
  enum kind kind;
  size_t piece;

  if (size < 2)
    return 0;
  /* Letters and digits, so that seeds can be written by hand. */
  kind = (enum kind)((unsigned)(data[0] - '0') % KINDS);
  piece = 1 + (size_t)data[1] % 32;
  data += 2;
  size -= 2;
  if (parse(kind, data, size, size + 1, &whole) == 0) {
    FUZZ_REQUIRE(parse(kind, data, size, piece, &pieced) == 0);
    FUZZ_REQUIRE(memcmp(&whole, &pieced, sizeof(whole)) == 0);
    check(kind, &whole);
  } else {
    FUZZ_REQUIRE(parse(kind, data, size, piece, &pieced) < 0);
  }
  return 0;
}

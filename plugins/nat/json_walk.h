/* SPDX-License-Identifier: MIT
 *
 * Reading the few fields that matter out of a JSON text of any size, as it comes
 * in (pure): bytes in, fields of a struct out. Memory is bounded whatever the text
 * holds. Unknown fields are passed over; a known field of the wrong type counts as
 * absent.
 */
#ifndef EGRESS_JSON_WALK_H
#define EGRESS_JSON_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_kind {
  JSON_TEXT,    /* a string without control bytes that fits -> char[size] */
  JSON_INTEGER, /* a whole number, or a string that is one -> int64_t */
  JSON_FLAG,    /* true or false -> int64_t, 1 or 0 */
  JSON_STRING,  /* a string -> `take`, not terminated */
  JSON_ELEMENT, /* an object -> `begin` and `end` around its fields */
};

/* Where a value stands: "a.b" is b in a, "a[].b" is b in each element of a. */
struct json_rule {
  const char *path;
  enum json_kind kind;
  size_t offset, size; /* of the field in `into` */
  void (*take)(void *into, const char *text, size_t length);
  void (*begin)(void *into);
  void (*end)(void *into);
};

struct json_walk;

/* The text's outermost value stands at `root` ("" unless the rules say
 * otherwise). Rules and root must outlive the walk. Returns 0 or -ENOMEM. */
int json_walk_new(const struct json_rule *rules, size_t rule_count, const char *root,
                  void *into, struct json_walk **walk);
void json_walk_free(struct json_walk *walk); /* NULL is fine */

/* The next bytes, then the end. Returns 0, or -EPROTO: this is no JSON, or one that
 * nests deeper than JSON_DEPTH_MAX, or holds a string or number of more than
 * JSON_TOKEN_MAX bytes. After an error only json_walk_free is allowed. */
#define JSON_DEPTH_MAX 32u
#define JSON_TOKEN_MAX 16384u
int json_walk_feed(struct json_walk *walk, const void *bytes, size_t size);
int json_walk_finish(struct json_walk *walk);

/* A whole number, and nothing else. Returns 0 or -EINVAL. */
int json_parse_integer(const char *text, size_t length, int64_t *number);

#endif

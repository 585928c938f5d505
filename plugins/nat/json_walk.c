/* SPDX-License-Identifier: MIT */
#include "json_walk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

/* A key that is longer, or that would look like a path, is none that we know. */
#define KEY_MAX 40u
#define UNKNOWN_KEY "?"
#define ROOT_MAX 16u
#define PATH_MAX_SIZE (ROOT_MAX + (JSON_DEPTH_MAX + 1) * (KEY_MAX + sizeof(".[]")))

struct json_walk {
  const struct json_rule *rules;
  size_t rule_count;
  void *into;
  yajl_handle parser;
  size_t depth;
  size_t ends[JSON_DEPTH_MAX + 1]; /* length of the path at each depth */
  bool in_string, escaped;         /* the lexer keeps a whole token in memory: */
  size_t token;                    /* ... its length so far */
  char path[PATH_MAX_SIZE];
};

int json_parse_integer(const char *text, size_t length, int64_t *number) {
  char copy[24];
  char *end;
  long long value;

  if (length == 0 || length >= sizeof(copy) ||
      !(text[0] == '-' || (text[0] >= '0' && text[0] <= '9')))
    return -EINVAL;
  memcpy(copy, text, length);
  copy[length] = '\0';
  errno = 0;
  value = strtoll(copy, &end, 10);
  if (errno != 0 || end != copy + length)
    return -EINVAL;
  *number = value;
  return 0;
}

/* --- The path ------------------------------------------------------------------- */

static const struct json_rule *find_rule(const struct json_walk *walk) {
  for (size_t i = 0; i < walk->rule_count; i++)
    if (strcmp(walk->rules[i].path, walk->path) == 0)
      return &walk->rules[i];
  return NULL;
}

static const struct json_rule *find_rule_of(const struct json_walk *walk,
                                            enum json_kind kind) {
  const struct json_rule *rule = find_rule(walk);

  return rule && rule->kind == kind ? rule : NULL;
}

/* A value inside an array stands where the array's elements do. */
static void leave_value(struct json_walk *walk) {
  walk->path[walk->ends[walk->depth]] = '\0';
}

static bool enter(struct json_walk *walk) {
  if (walk->depth == JSON_DEPTH_MAX)
    return false;
  walk->ends[++walk->depth] = strlen(walk->path);
  return true;
}

static bool is_known_key(const char *key, size_t length) {
  return length > 0 && length <= KEY_MAX && !memchr(key, '.', length) &&
         !memchr(key, '[', length) && !memchr(key, '\0', length);
}

static int take_key(void *data, const unsigned char *key, size_t length) {
  struct json_walk *walk = data;
  size_t end = walk->ends[walk->depth];

  if (!is_known_key((const char *)key, length)) {
    key = (const unsigned char *)UNKNOWN_KEY;
    length = strlen(UNKNOWN_KEY);
  }
  snprintf(walk->path + end, sizeof(walk->path) - end, "%s%.*s", end > 0 ? "." : "",
           (int)length, (const char *)key);
  return 1;
}

/* --- Containers ------------------------------------------------------------------ */

static int begin_map(void *data) {
  struct json_walk *walk = data;
  const struct json_rule *rule = find_rule_of(walk, JSON_ELEMENT);

  if (!enter(walk))
    return 0;
  if (rule && rule->begin)
    rule->begin(walk->into);
  return 1;
}

static int end_map(void *data) {
  struct json_walk *walk = data;
  const struct json_rule *rule;

  leave_value(walk);
  rule = find_rule_of(walk, JSON_ELEMENT);
  walk->depth--;
  if (rule && rule->end)
    rule->end(walk->into);
  leave_value(walk);
  return 1;
}

static int begin_array(void *data) {
  struct json_walk *walk = data;
  size_t end = strlen(walk->path);

  memcpy(walk->path + end, "[]", sizeof("[]"));
  return enter(walk);
}

static int end_array(void *data) {
  struct json_walk *walk = data;

  walk->depth--;
  leave_value(walk);
  return 1;
}

/* --- Values ----------------------------------------------------------------------- */

static void *field_of(const struct json_walk *walk, const struct json_rule *rule) {
  return (char *)walk->into + rule->offset;
}

static bool is_clean(const char *text, size_t length) {
  for (size_t i = 0; i < length; i++)
    if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
      return false;
  return true;
}

static int take_string(void *data, const unsigned char *bytes, size_t length) {
  struct json_walk *walk = data;
  const struct json_rule *rule = find_rule(walk);
  const char *text = (const char *)bytes;
  int64_t number;

  if (rule && rule->kind == JSON_STRING) {
    rule->take(walk->into, text, length);
  } else if (rule && rule->kind == JSON_INTEGER) {
    if (json_parse_integer(text, length, &number) == 0)
      *(int64_t *)field_of(walk, rule) = number;
  } else if (rule && rule->kind == JSON_TEXT && length < rule->size &&
             is_clean(text, length)) {
    memcpy(field_of(walk, rule), text, length);
    ((char *)field_of(walk, rule))[length] = '\0';
  }
  leave_value(walk);
  return 1;
}

static int take_number(void *data, const char *text, size_t length) {
  struct json_walk *walk = data;
  const struct json_rule *rule = find_rule_of(walk, JSON_INTEGER);
  int64_t number;

  if (rule && json_parse_integer(text, length, &number) == 0)
    *(int64_t *)field_of(walk, rule) = number;
  leave_value(walk);
  return 1;
}

static int take_flag(void *data, int flag) {
  struct json_walk *walk = data;
  const struct json_rule *rule = find_rule_of(walk, JSON_FLAG);

  if (rule)
    *(int64_t *)field_of(walk, rule) = flag != 0;
  leave_value(walk);
  return 1;
}

static int take_null(void *data) {
  leave_value(data);
  return 1;
}

static const yajl_callbacks callbacks = {
    .yajl_null = take_null,
    .yajl_boolean = take_flag,
    .yajl_number = take_number,
    .yajl_string = take_string,
    .yajl_start_map = begin_map,
    .yajl_map_key = take_key,
    .yajl_end_map = end_map,
    .yajl_start_array = begin_array,
    .yajl_end_array = end_array,
};

/* --- Bytes ------------------------------------------------------------------------- */

int json_walk_new(const struct json_rule *rules, size_t rule_count, const char *root,
                  void *into, struct json_walk **walk) {
  struct json_walk *made = calloc(1, sizeof(*made));

  if (!made)
    return -ENOMEM;
  made->rules = rules;
  made->rule_count = rule_count;
  made->into = into;
  made->ends[0] = strnlen(root, ROOT_MAX);
  memcpy(made->path, root, made->ends[0]);
  made->parser = yajl_alloc(&callbacks, NULL, made);
  if (!made->parser) {
    free(made);
    return -ENOMEM;
  }
  *walk = made;
  return 0;
}

void json_walk_free(struct json_walk *walk) {
  if (!walk)
    return;
  yajl_free(walk->parser);
  free(walk);
}

static bool ends_token(char byte) { return strchr(" \t\r\n,:[]{}", byte) != NULL; }

/* Whether no token grows beyond its bound. */
static bool are_tokens_short(struct json_walk *walk, const char *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) {
    bool quote = bytes[i] == '"' && !walk->escaped;

    walk->escaped = walk->in_string && bytes[i] == '\\' && !walk->escaped;
    if (quote)
      walk->in_string = !walk->in_string;
    if (quote || (!walk->in_string && ends_token(bytes[i])))
      walk->token = 0;
    else if (++walk->token > JSON_TOKEN_MAX)
      return false;
  }
  return true;
}

int json_walk_feed(struct json_walk *walk, const void *bytes, size_t size) {
  if (size == 0)
    return 0;
  if (!are_tokens_short(walk, bytes, size))
    return -EPROTO;
  return yajl_parse(walk->parser, bytes, size) == yajl_status_ok ? 0 : -EPROTO;
}

int json_walk_finish(struct json_walk *walk) {
  return yajl_complete_parse(walk->parser) == yajl_status_ok ? 0 : -EPROTO;
}

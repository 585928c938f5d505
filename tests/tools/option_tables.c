/* SPDX-License-Identifier: MIT
 *
 * Prints the options that the plugins accept: plugin, block, option and what it
 * expects, an option a line, fields between tabs, their names in the first line.
 * The parsers themselves are asked: an option that no block knows makes them name
 * those it does, and an option without a value makes them say what they expect.
 */
#include "nat_config.h"
#include "netlink_config.h"
#include "probe_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 8
#define LIST_MARK "unknown option; allowed here: "
#define NO_OPTION "?"

/* option_walk() cuts its list at this length; a longer one could not be trusted. */
#define LIST_MAX 383

static int parse_netlink(const struct option *block, struct option_error *error) {
  struct netlink_config config = NETLINK_CONFIG_DEFAULTS;
  int status = netlink_config_parse(block, &config, error);

  netlink_config_free(&config);
  return status;
}

static int parse_nat(const struct option *block, struct option_error *error) {
  struct nat_config config = NAT_CONFIG_DEFAULTS;
  int status = nat_config_parse(block, &config, error);

  nat_config_free(&config);
  return status;
}

static int parse_probe(const struct option *block, struct option_error *error) {
  struct probe_config config;
  int status;

  probe_config_init(&config);
  status = probe_config_parse(block, &config, error);
  probe_config_clear(&config);
  return status;
}

static const struct plugin {
  const char *name;
  int (*parse)(const struct option *block, struct option_error *error);
} plugins[] = {
    {"egress_probe", parse_probe},
    {"egress_netlink", parse_netlink},
    {"egress_nat", parse_nat},
};

/* Where we are: the blocks from <Plugin> inwards. */
struct place {
  const struct plugin *plugin;
  size_t depth;
  const char *blocks[DEPTH_MAX];
};

static struct option_value label = {.type = OPTION_STRING, .string = "x"};

/* What the parser says of one option at this place. */
static int ask(const struct place *place, struct option *option,
               struct option_error *error) {
  struct option_value name = {.type = OPTION_STRING, .string = place->plugin->name};
  struct option blocks[DEPTH_MAX];

  for (size_t i = 0; i < place->depth; i++)
    blocks[i] = (struct option){.name = place->blocks[i],
                                .parent = i > 0 ? &blocks[i - 1] : NULL,
                                .value_count = 1,
                                .values = i > 0 ? &label : &name,
                                .child_count = 1,
                                .children = i + 1 < place->depth ? &blocks[i + 1] : option};
  option->parent = &blocks[place->depth - 1];
  error->text[0] = '\0';
  return place->plugin->parse(&blocks[0], error);
}

static void die(const struct place *place, const char *what, const char *text) {
  fprintf(stderr, "option_tables: %s, <%s>: %s: %s\n", place->plugin->name,
          place->blocks[place->depth - 1], what, text);
  exit(1);
}

/* The names allowed here, separated by ", "; false if this is no place at all. */
static bool list_options(const struct place *place, char *list, size_t size) {
  struct option unknown = {.name = NO_OPTION};
  struct option_error error;
  const char *found;

  if (ask(place, &unknown, &error) == 0)
    return false;
  found = strstr(error.text, "> " NO_OPTION ": " LIST_MARK);
  if (!found)
    return false;
  found = strstr(found, LIST_MARK) + strlen(LIST_MARK);
  if (strlen(found) >= LIST_MAX || strlen(found) >= size ||
      strlen(error.text) + 1 >= sizeof(error.text))
    die(place, "the list of options is cut", found);
  memcpy(list, found, strlen(found) + 1);
  return true;
}

static void print_expectation(const struct place *place, const char *name) {
  struct option bare = {.name = name};
  struct option_error error;
  char mark[LIST_MAX + 8];
  const char *found = NULL;

  snprintf(mark, sizeof(mark), "> %s: ", name);
  if (ask(place, &bare, &error) < 0)
    found = strstr(error.text, mark);
  if (!found)
    die(place, "nothing is expected of an option", name);
  else
    printf("%s\t%s\t%s\t%s\n", place->plugin->name, place->blocks[place->depth - 1], name,
           found + strlen(mark));
}

/* Ends the first name of the list; returns what comes after it. */
static char *split_list(char *list) {
  char *rest = list + strcspn(list, ",");

  if (*rest == '\0')
    return rest;
  *rest = '\0';
  return rest + strlen(", ");
}

/* Blocks may lie in blocks; DEPTH_MAX bounds the recursion. */
static void print_place(const struct place *place) {
  char list[LIST_MAX + 1], inner_list[LIST_MAX + 1];

  if (!list_options(place, list, sizeof(list)))
    die(place, "does not name its options", "");
  for (char *name = list, *rest; *name; name = rest) {
    struct place inner = *place;

    rest = split_list(name);
    inner.blocks[inner.depth++] = name;
    if (inner.depth < DEPTH_MAX && list_options(&inner, inner_list, sizeof(inner_list))) {
      printf("%s\t%s\t%s\tblock\n", place->plugin->name, place->blocks[place->depth - 1],
             name);
      print_place(&inner);
    } else {
      print_expectation(place, name);
    }
  }
}

int main(void) {
  puts("plugin\tblock\toption\texpected");
  for (size_t i = 0; i < sizeof(plugins) / sizeof(*plugins); i++)
    print_place(&(struct place){&plugins[i], 1, {"Plugin"}});
  return fflush(stdout) != 0;
}

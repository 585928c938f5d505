/* SPDX-License-Identifier: MIT */
#include "option_tree.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 16

static void *must(void *memory) {
  if (!memory)
    abort();
  return memory;
}

static void free_contents(struct option *option) {
  for (size_t i = 0; i < option->child_count; i++)
    free_contents(&option->children[i]);
  for (size_t i = 0; i < option->value_count; i++)
    free((char *)(uintptr_t)option->values[i].string);
  free((char *)(uintptr_t)option->name);
  free(option->values);
  free(option->children);
}

void option_tree_free(struct option *tree) {
  if (!tree)
    return;
  free_contents(tree);
  free(tree);
}

static const char *skip_blanks(const char *text) {
  while (*text == ' ' || *text == '\t' || *text == '\r')
    text++;
  return text;
}

static const char *skip_line(const char *text) {
  text += strcspn(text, "\n");
  return *text ? text + 1 : text;
}

/* Empty lines and comments. */
static const char *skip_nothing(const char *text) {
  for (;;) {
    text = skip_blanks(text);
    if (*text != '\n' && *text != '#')
      return text;
    text = skip_line(text);
  }
}

static char *copy_quoted(const char **text) {
  const char *from = *text + 1;
  char *copy = must(calloc(1, strlen(from) + 1));
  char *to = copy;

  while (*from && *from != '"') {
    if (*from == '\\' && from[1])
      from++;
    *to++ = *from++;
  }
  *text = *from ? from + 1 : from;
  return copy;
}

static char *copy_word(const char **text) {
  size_t length = strcspn(*text, " \t\r\n>\"");
  char *copy = must(strndup(*text, length));

  *text += length;
  return copy;
}

static void classify_word(struct option_value *value, char *word) {
  char *end = NULL;
  double number = strtod(word, &end);

  if (end != word && *end == '\0')
    *value = (struct option_value){.type = OPTION_NUMBER, .number = number};
  else if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
    *value = (struct option_value){.type = OPTION_BOOLEAN, .boolean = word[0] == 't'};
  else {
    *value = (struct option_value){.type = OPTION_STRING, .string = word};
    return;
  }
  free(word);
}

static const char *parse_values(const char *text, struct option *option) {
  for (text = skip_blanks(text); *text && !strchr("\n>#", *text);
       text = skip_blanks(text)) {
    struct option_value *value;

    option->values = must(
        realloc(option->values, (option->value_count + 1) * sizeof(*option->values)));
    value = &option->values[option->value_count++];
    if (*text == '"')
      *value =
          (struct option_value){.type = OPTION_STRING, .string = copy_quoted(&text)};
    else
      classify_word(value, copy_word(&text));
  }
  return text;
}

static const char *parse_option(const char *text, struct option *option, unsigned depth);

static const char *parse_children(const char *text, struct option *block,
                                  unsigned depth) {
  for (text = skip_nothing(text); *text && strncmp(text, "</", 2) != 0;
       text = skip_nothing(text)) {
    struct option *child;

    block->children = must(
        realloc(block->children, (block->child_count + 1) * sizeof(*block->children)));
    child = &block->children[block->child_count++];
    *child = (struct option){0};
    text = parse_option(text, child, depth + 1);
  }
  return skip_line(text);
}

static const char *parse_option(const char *text, struct option *option, unsigned depth) {
  bool block = *text == '<' && depth < DEPTH_MAX;

  text += *text == '<';
  option->name = copy_word(&text);
  text = skip_line(parse_values(text, option));
  return block ? parse_children(text, option, depth) : text;
}

/* Arrays move while they grow, so parents are known only at the end. */
static void link_parents(struct option *option) {
  for (size_t i = 0; i < option->child_count; i++) {
    option->children[i].parent = option;
    link_parents(&option->children[i]);
  }
}

struct option *option_tree_parse(const char *text) {
  struct option *tree;

  text = skip_nothing(text);
  if (*text != '<')
    return NULL;
  tree = must(calloc(1, sizeof(*tree)));
  parse_option(text, tree, 0);
  link_parents(tree);
  return tree;
}

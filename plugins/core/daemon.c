/* SPDX-License-Identifier: MIT
 *
 * The adapter to collectd: options, types, values, log and notifications.
 */
#include "egress/daemon.h"

#include "egress/text.h"

#include <pthread.h>

#define OPTION_DEPTH_MAX 16 /* blocks within blocks; ours have four */

/* --- Options ---------------------------------------------------------------- */

static void option_tree_free(struct option *option) {
  for (size_t i = 0; i < option->child_count; i++)
    option_tree_free(&option->children[i]);
  free(option->children);
  free(option->values);
}

static struct option_value convert_value(const oconfig_value_t *value) {
  switch (value->type) {
  case OCONFIG_TYPE_STRING:
    return (struct option_value){.type = OPTION_STRING, .string = value->value.string};
  case OCONFIG_TYPE_BOOLEAN:
    return (struct option_value){.type = OPTION_BOOLEAN,
                                 .boolean = value->value.boolean != 0};
  default:
    return (struct option_value){.type = OPTION_NUMBER, .number = value->value.number};
  }
}

/* The strings stay collectd's; they live as long as the config callback. On an
 * error what was made is freed with option_tree_free by the outermost caller. */
static int option_tree_make(const oconfig_item_t *item, const struct option *parent,
                            unsigned depth, struct option *option) {
  *option = (struct option){.name = item->key, .parent = parent};
  if (depth > OPTION_DEPTH_MAX)
    return -EINVAL;
  if (item->values_num > 0) {
    option->values = calloc((size_t)item->values_num, sizeof(*option->values));
    if (!option->values)
      return -ENOMEM;
  }
  for (int i = 0; i < item->values_num; i++)
    option->values[option->value_count++] = convert_value(&item->values[i]);
  if (item->children_num > 0) {
    option->children = calloc((size_t)item->children_num, sizeof(*option->children));
    if (!option->children)
      return -ENOMEM;
  }
  for (int i = 0; i < item->children_num; i++) {
    int result = option_tree_make(&item->children[i], option, depth + 1,
                                  &option->children[option->child_count++]);

    if (result < 0)
      return result;
  }
  return 0;
}

int daemon_configure(const oconfig_item_t *block,
                     int (*parse)(const struct option *block, void *into,
                                  struct option_error *error),
                     void *into) {
  struct option_error error = {.text = "out of memory"};
  struct option tree;
  int result = option_tree_make(block, NULL, 0, &tree);

  if (result == -EINVAL)
    snprintf(error.text, sizeof(error.text), "blocks nested deeper than %d",
             OPTION_DEPTH_MAX);
  if (result == 0)
    result = parse(&tree, into, &error);
  option_tree_free(&tree);
  if (result == 0)
    return 0;
  ERROR("%s", error.text);
  return -1;
}

/* --- Types and values --------------------------------------------------------- */

int daemon_register_types(const struct metric_table *table) {
  for (size_t i = 0; i < table->count; i++) {
    const struct metric *metric = &table->metrics[i];
    data_source_t source = {.name = "value",
                            .type = metric->kind == METRIC_GAUGE ? DS_TYPE_GAUGE
                                                                 : DS_TYPE_DERIVE,
                            .min = metric->minimum,
                            .max = metric->maximum};
    data_set_t set = {.ds_num = 1, .ds = &source};

    if (metric->stock)
      continue;
    sstrncpy(set.type, metric->type, sizeof(set.type));
    if (plugin_register_data_set(&set) != 0) {
      ERROR("%s: collectd refused to register the type \"%s\"", table->plugin,
            metric->type);
      return -1;
    }
  }
  return 0;
}

/* Of a list that is all zero yet: sstrncpy would fill each field up once more. */
static void set_field(char field[DATA_MAX_NAME_LEN], const char *text) {
  memcpy(field, text, strnlen(text, DATA_MAX_NAME_LEN - 1));
}

/* collectd itself adds the host, the time and the interval. */
static void dispatch(const struct metric_table *table, size_t index,
                     const char *plugin_instance, const char *type_instance,
                     value_t value) {
  value_list_t list = VALUE_LIST_INIT;

  list.values = &value;
  list.values_len = 1;
  set_field(list.plugin, table->plugin);
  set_field(list.type, table->metrics[index].type);
  if (plugin_instance)
    set_field(list.plugin_instance, plugin_instance);
  if (type_instance)
    set_field(list.type_instance, type_instance);
  plugin_dispatch_values(&list);
}

void metric_gauge(const struct metric_table *table, size_t index,
                  const char *plugin_instance, const char *type_instance,
                  double value) {
  if (!isnan(value))
    dispatch(table, index, plugin_instance, type_instance, (value_t){.gauge = value});
}

void metric_derive(const struct metric_table *table, size_t index,
                   const char *plugin_instance, const char *type_instance,
                   int64_t value) {
  dispatch(table, index, plugin_instance, type_instance, (value_t){.derive = value});
}

/* --- Log and notifications ------------------------------------------------------ */

__attribute__((format(printf, 2, 0))) static void
log_line(int severity, const char *format, va_list arguments) {
  char text[1024], clean[sizeof(text)];

  vsnprintf(text, sizeof(text), format, arguments);
  text_clean(clean, sizeof(clean), text, strlen(text));
  plugin_log(severity, "%s", clean);
}

/* Whether this change of a trouble is to be said. */
static bool is_news(bool (*change)(struct trouble *trouble, nanoseconds now),
                    struct trouble *trouble) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  bool news;

  pthread_mutex_lock(&mutex);
  news = change(trouble, clock_now(CLOCK_MONOTONIC));
  pthread_mutex_unlock(&mutex);
  return news;
}

void trouble_begin(struct trouble *trouble, const char *format, ...) {
  va_list arguments;

  if (!is_news(trouble_starts, trouble))
    return;
  va_start(arguments, format);
  log_line(LOG_WARNING, format, arguments);
  va_end(arguments);
}

void trouble_end(struct trouble *trouble, const char *format, ...) {
  va_list arguments;

  if (!is_news(trouble_stops, trouble))
    return;
  va_start(arguments, format);
  log_line(LOG_NOTICE, format, arguments);
  va_end(arguments);
}

void daemon_notify(int severity, const char *plugin, const char *plugin_instance,
                   const char *type, const char *type_instance, const char *text) {
  notification_t notification = {.severity = severity, .time = cdtime()};

  text_clean(notification.message, sizeof(notification.message), text, strlen(text));
  sstrncpy(notification.host, hostname_g, sizeof(notification.host));
  sstrncpy(notification.plugin, plugin, sizeof(notification.plugin));
  sstrncpy(notification.plugin_instance, plugin_instance ? plugin_instance : "",
           sizeof(notification.plugin_instance));
  sstrncpy(notification.type, type ? type : "", sizeof(notification.type));
  sstrncpy(notification.type_instance, type_instance ? type_instance : "",
           sizeof(notification.type_instance));
  plugin_dispatch_notification(&notification);
}

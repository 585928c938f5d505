/* SPDX-License-Identifier: MIT
 *
 * Cloud Monitoring's figures of Cloud NAT.
 */
#include "gcp_json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

void gcp_series_init(struct gcp_series *series, const char *gateway) {
  series->page_token[0] = '\0';
  series->count = series->omitted = series->series_first = 0;
  memset(series->gateway, 0, sizeof(series->gateway));
  strncpy(series->gateway, gateway, sizeof(series->gateway) - 1);
}

/* --- Times ---------------------------------------------------------------------------- */

static const char *skip_fraction(const char *text) {
  return *text == '.' ? text + 1 + strspn(text + 1, "0123456789") : text;
}

/* "Z", or how far the clock that was read is ahead of UTC. */
static int parse_offset(const char *text, int64_t *seconds) {
  int hours, minutes, length = 0;
  char sign;

  *seconds = 0;
  if (strcmp(text, "Z") == 0)
    return 0;
  if (sscanf(text, "%c%2d:%2d%n", &sign, &hours, &minutes, &length) != 3 ||
      text[length] != '\0' || (sign != '+' && sign != '-') || hours < 0 || hours > 23 ||
      minutes < 0 || minutes > 59)
    return -EINVAL;
  *seconds = (sign == '+' ? 1 : -1) * (hours * 3600 + minutes * 60);
  return 0;
}

int gcp_parse_time(const char *text, int64_t *seconds) {
  struct tm parts = {0};
  int64_t offset;
  int length = 0;

  if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &parts.tm_year, &parts.tm_mon,
             &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec,
             &length) != 6 ||
      parts.tm_year < 1970 || parts.tm_mon < 1 || parts.tm_mon > 12 ||
      parts.tm_mday < 1 || parts.tm_mday > 31 || parts.tm_hour < 0 ||
      parts.tm_hour > 23 || parts.tm_min < 0 || parts.tm_min > 59 || parts.tm_sec < 0 ||
      parts.tm_sec > 60 || parse_offset(skip_fraction(text + length), &offset) < 0)
    return -EINVAL;
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  *seconds = timegm(&parts) - offset;
  return 0;
}

/* --- Points ---------------------------------------------------------------------------- */

/* As names, or as the numbers of IANA's registry. */
static enum gcp_protocol protocol_of(const char *text) {
  if (strcasecmp(text, "TCP") == 0 || strcmp(text, "6") == 0)
    return GCP_TCP;
  if (strcasecmp(text, "UDP") == 0 || strcmp(text, "17") == 0)
    return GCP_UDP;
  return GCP_OTHER_PROTOCOL;
}

static enum gcp_drop_reason reason_of(const char *text) {
  if (strcmp(text, "OUT_OF_RESOURCES") == 0)
    return GCP_OUT_OF_RESOURCES;
  if (strcmp(text, "ENDPOINT_INDEPENDENCE_CONFLICT") == 0)
    return GCP_ENDPOINT_CONFLICT;
  return GCP_OTHER_REASON;
}

static void begin_series(void *into) {
  struct gcp_series *series = into;

  series->series_first = series->count;
  series->series_gateway[0] = series->protocol[0] = series->reason[0] = '\0';
}

/* The labels may come after the points. */
static void end_series(void *into) {
  struct gcp_series *series = into;

  if (series->gateway[0] && series->series_gateway[0] &&
      strcmp(series->gateway, series->series_gateway) != 0)
    series->count = series->series_first;
  for (size_t i = series->series_first; i < series->count; i++) {
    series->points[i].protocol = protocol_of(series->protocol);
    series->points[i].reason = reason_of(series->reason);
  }
  series->series_first = series->count;
}

static void begin_point(void *into) {
  struct gcp_series *series = into;

  series->end[0] = '\0';
  series->value = GCP_ABSENT;
}

static void end_point(void *into) {
  struct gcp_series *series = into;
  struct gcp_point point = {.value = series->value};

  if (series->value < 0 || gcp_parse_time(series->end, &point.end) < 0)
    return;
  if (series->count < GCP_POINTS_MAX)
    series->points[series->count++] = point;
  else
    series->omitted++;
}

#define SERIES(field) offsetof(struct gcp_series, field)

int gcp_series_walk(struct gcp_series *series, struct json_walk **walk) {
  static const struct json_rule rules[] = {
      {.path = "nextPageToken", .kind = JSON_TEXT, .offset = SERIES(page_token),
       .size = GCP_PAGE_TOKEN_SIZE},
      {.path = "timeSeries[]", .kind = JSON_ELEMENT, .begin = begin_series,
       .end = end_series},
      {.path = "timeSeries[].metric.labels.nat_gateway_name", .kind = JSON_TEXT,
       .offset = SERIES(series_gateway), .size = GCP_NAME_SIZE},
      {.path = "timeSeries[].metric.labels.ip_protocol", .kind = JSON_TEXT,
       .offset = SERIES(protocol), .size = sizeof(series->protocol)},
      {.path = "timeSeries[].metric.labels.reason", .kind = JSON_TEXT,
       .offset = SERIES(reason), .size = sizeof(series->reason)},
      {.path = "timeSeries[].points[]", .kind = JSON_ELEMENT, .begin = begin_point,
       .end = end_point},
      {.path = "timeSeries[].points[].interval.endTime", .kind = JSON_TEXT,
       .offset = SERIES(end), .size = sizeof(series->end)},
      {.path = "timeSeries[].points[].value.int64Value", .kind = JSON_INTEGER,
       .offset = SERIES(value)},
  };

  series->page_token[0] = '\0';
  return json_walk_new(rules, sizeof(rules) / sizeof(*rules), "", series, walk);
}

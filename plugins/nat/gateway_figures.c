/* SPDX-License-Identifier: MIT */
#include "gateway_figures.h"

void gateway_figures_set_usage(struct gateway_figures *figures,
                               const struct gcp_series *series) {
  for (size_t i = 0; i < GCP_PROTOCOLS; i++)
    figures->usage[i].known = false;
  for (size_t i = 0; i < series->count; i++) {
    const struct gcp_point *point = &series->points[i];
    bool newer;

    if (point->protocol >= GCP_PROTOCOLS)
      continue;
    newer = !figures->usage[point->protocol].known ||
            point->end > figures->usage[point->protocol].end;
    if (!newer && (point->end < figures->usage[point->protocol].end ||
                   point->value <= figures->usage[point->protocol].ports))
      continue;
    figures->usage[point->protocol].known = true;
    figures->usage[point->protocol].end = point->end;
    figures->usage[point->protocol].ports = point->value;
  }
}

void gateway_figures_add_drops(struct gateway_figures *figures,
                               const struct gcp_series *series, int64_t start) {
  const struct gateway_figures before = *figures;

  for (size_t i = 0; i < series->count; i++) {
    const struct gcp_point *point = &series->points[i];
    int64_t *until;

    if (point->protocol >= GCP_PROTOCOLS || point->end <= start ||
        point->end <= before.drops_until[point->protocol][point->reason])
      continue;
    until = &figures->drops_until[point->protocol][point->reason];
    if (point->end > *until)
      *until = point->end;
    figures->drops[point->protocol][point->reason] += (uint64_t)point->value;
  }
  figures->drops_known = true;
}

static bool has_protocol(const struct gcp_series *series, enum gcp_protocol protocol) {
  for (size_t i = 0; i < series->count; i++)
    if (series->points[i].protocol == protocol)
      return true;
  return false;
}

void gateway_figures_set_allocated(struct gateway_figures *figures,
                                   const struct gcp_series *series) {
  enum gcp_protocol wanted =
      has_protocol(series, GCP_TCP) ? GCP_TCP : GCP_OTHER_PROTOCOL;

  figures->allocated = figures->allocated_end = 0;
  for (size_t i = 0; i < series->count; i++) {
    const struct gcp_point *point = &series->points[i];

    if (point->protocol != wanted || point->end < figures->allocated_end)
      continue;
    if (point->end > figures->allocated_end)
      figures->allocated = 0;
    figures->allocated_end = point->end;
    if (point->value <= INT32_MAX / 2 && figures->allocated <= INT32_MAX / 2)
      figures->allocated += point->value;
  }
}

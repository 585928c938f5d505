/* SPDX-License-Identifier: MIT
 *
 * A verdict's sentence. Names are shortened so that the cause always fits.
 */
#include "verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAME_SHOWN 40     /* bytes of a name */
#define ENDPOINT_SHOWN 56 /* bytes of host:port */

/* The length of `text`, at most `limit`, that ends at a UTF-8 character. */
static int shown(const char *text, size_t limit) {
  size_t length = strlen(text);

  if (length <= limit)
    return (int)length;
  while (limit > 0 && ((unsigned char)text[limit] & 0xc0) == 0x80)
    limit--;
  return (int)limit;
}

#define NAME(text) shown(text, NAME_SHOWN), (text)

__attribute__((format(printf, 2, 3))) static void append(struct verdict *verdict,
                                                         const char *format, ...) {
  size_t used = strlen(verdict->sentence);
  va_list arguments;

  va_start(arguments, format);
  vsnprintf(verdict->sentence + used, sizeof(verdict->sentence) - used, format,
            arguments);
  va_end(arguments);
}

/* The buffer may have cut the text in the middle of a character. */
static void drop_partial_character(char *text) {
  size_t length = strlen(text), start = length;
  unsigned char lead;
  size_t wanted;

  while (start > 0 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
    start--;
  if (start == 0)
    return;
  lead = (unsigned char)text[start - 1];
  wanted = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  if (length - (start - 1) < wanted)
    text[start - 1] = '\0';
}

static const char *part_name(const struct verdict_table *table, size_t part) {
  if (part < table->hop_count)
    return table->hops[part].name;
  return part == table->hop_count ? "egress" : "target";
}

static void say_place(const struct verdict_table *table,
                      const struct verdict_finding *finding, struct verdict *verdict) {
  const struct verdict_hop *hop;

  switch (finding->location) {
  case VERDICT_LOCAL:
    append(verdict, "fault on the prober's own side");
    return;
  case VERDICT_EGRESS:
    append(verdict, "fault at egress (NAT or the way out)");
    return;
  case VERDICT_TARGET:
    append(verdict, "fault at target %.*s", NAME(table->targets[finding->target].name));
    return;
  case VERDICT_UNKNOWN:
    append(verdict, "fault somewhere from %.*s to %.*s",
           NAME(part_name(table, finding->first)), NAME(part_name(table, finding->last)));
    return;
  default:
    hop = &table->hops[finding->location - VERDICT_HOP];
    append(verdict, "fault at %.*s (%.*s)", NAME(hop->name),
           shown(hop->endpoint, ENDPOINT_SHOWN), hop->endpoint);
  }
}

static void say_count(const struct verdict_table *table, struct verdict *verdict) {
  size_t failing = 0, tried = 0;

  for (size_t i = 0; i < table->target_count; i++) {
    const struct verdict_leg *leg = verdict_leg_at(table, i, 0);

    if (table->targets[i].control || !leg->tried)
      continue;
    tried++;
    if (leg->outcome.result != RESULT_OK)
      failing++;
  }
  append(verdict, "; %zu of %zu targets fail", failing, tried);
}

static void say_later(const struct verdict_table *table, size_t entry,
                      struct verdict *verdict) {
  if (entry == table->hop_count)
    append(verdict, ", straight out works");
  else
    append(verdict, ", entering at %.*s works", NAME(table->hops[entry].name));
}

static void say_nat(const struct verdict_target *target, struct verdict *verdict) {
  append(verdict, ", toward %.*s %u NAT ports are held", NAME(target->name),
         target->nat_ports_used);
  if (target->nat_ports_limit > 0)
    append(verdict, " of %u", target->nat_ports_limit);
  if (target->nat_stalled > 0)
    append(verdict, ", %u connects stalled", target->nat_stalled);
}

static void say_evidence(const struct verdict_table *table,
                         const struct verdict_finding *finding,
                         struct verdict *verdict) {
  static const char *const texts[] = {
      [EVIDENCE_OWN_TCP] = ", its own TCP port fails",
      [EVIDENCE_CONTROL_FAILS] = ", the control fails there too",
      [EVIDENCE_CONTROL_WORKS] = ", the control works",
      [EVIDENCE_OWN_ANSWER] = ", the error is its own",
      [EVIDENCE_OTHERS_WORK] = ", the others work through the same chain",
      [EVIDENCE_ANSWERED] = ", and were reached",
      [EVIDENCE_STRAIGHT_FAILS] = ", straight out too",
      [EVIDENCE_CONNECT] = ", it is the first that fails",
      [EVIDENCE_VIA] = ", the proxies before it saw the request",
  };

  switch (finding->evidence) {
  case EVIDENCE_NONE:
    break;
  case EVIDENCE_LATER_WORKS:
    say_later(table, finding->entry, verdict);
    break;
  case EVIDENCE_GATEWAY:
    append(verdict, ", %.*s itself says so", NAME(table->hops[finding->entry].name));
    break;
  case EVIDENCE_NAT:
    say_nat(&table->targets[finding->target], verdict);
    break;
  default:
    append(verdict, "%s", texts[finding->evidence]);
  }
}

void verdict_say(const struct verdict_table *table,
                 const struct verdict_finding *finding, struct verdict *verdict) {
  char cause[96];

  verdict->sentence[0] = '\0';
  append(verdict, "%.*s: ", NAME(table->chain));
  if (finding->location == VERDICT_NONE) {
    append(verdict, "no fault, all targets work");
    return;
  }
  say_place(table, finding, verdict);
  append(verdict, ": %s", outcome_describe(finding->cause, cause, sizeof(cause)));
  say_count(table, verdict);
  say_evidence(table, finding, verdict);
  drop_partial_character(verdict->sentence);
}

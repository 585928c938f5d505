/* SPDX-License-Identifier: MIT
 *
 * For tests: certificates of an authority that lives as long as the test.
 */
#ifndef EGRESS_THROWAWAY_H
#define EGRESS_THROWAWAY_H

struct throwaway {
  char folder[64];
  char authority[96]; /* its certificate's file */
};

/* A certificate, and the file of both it and its key. */
struct throwaway_leaf {
  char path[128];
};

/* Makes an authority in a new folder. Aborts the test if it cannot. */
void throwaway_begin(struct throwaway *throwaway);
/* Removes the folder and all that was made in it. */
void throwaway_end(struct throwaway *throwaway);

/* For the host `name`, valid from a day ago until `seconds` from now, which may be
 * past. Signed by the authority, or by itself. */
void throwaway_issue(const struct throwaway *throwaway, const char *name, long seconds,
                     int self_signed, struct throwaway_leaf *leaf);

#endif

/*
 * What ended connections leave behind: messages that ENet has never been given. A program may have queued
 * millions of them, and freeing a million takes a tenth of a second. So a call frees a few thousand at once,
 * and hands longer lists to a thread of their own.
 *
 * Invariant: a discarded message is counted nowhere any more. It refers to its host and slot, which may be
 * gone; nobody looks there. Called with the host's lock held.
 */
#include <stdlib.h>

#include "base/background.h"
#include "enet/libenet.h"
#include "host/internal.h"

struct discarded {
  struct enetjs_job job;
  struct enetjs_outgoing *first;
};

static void free_all(struct enetjs_outgoing *out) {
  while (out) {
    struct enetjs_outgoing *next = out->next;
    if (out->shared) enetjs_packet_drop(out->shared);
    enetjs_libenet_give(out);
    out = next;
  }
}

static void free_later(struct enetjs_job *job) {
  struct discarded *discarded = (struct discarded *)job;
  free_all(discarded->first);
  free(discarded);
}

bool enetjs_discard_little(struct enetjs_host *h, size_t blocks) {
  if (blocks > ENETJS_DISCARD_AT_ONCE - h->discarded) return false;
  h->discarded += blocks;
  h->steps += blocks;
  return true;
}

void enetjs_discard(struct enetjs_host *h, struct enetjs_outgoing *first, size_t count) {
  struct discarded *discarded = enetjs_discard_little(h, count) ? NULL : malloc(sizeof(*discarded));
  if (!discarded) {
    free_all(first);
    return;
  }
  discarded->job.run = free_later;
  discarded->first = first;
  enetjs_background_run(&discarded->job);
}

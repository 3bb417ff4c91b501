/*
 * The outbox: small messages that the consumer has written to shared memory. Its next call, whatever it asks
 * for, queues them first. So one call serves many messages, and they keep their order with other calls.
 *
 * Invariant: the memory belongs to JavaScript, so it is read only inside a call of the consumer, and each
 * number in it is checked. Called with the host's lock held.
 */
#include <string.h>

#include "host/internal.h"

struct message {
  uint32_t peer, generation, kind, length;
};
_Static_assert(sizeof(struct message) == ENETJS_OUTBOX_HEADER_BYTES, "four words stand before a payload");

/* Queues a message; one that cannot be sent is dropped. @returns false when memory is out */
static bool queue_one(struct enetjs_host *h, const struct message *m, const uint8_t *data) {
  uint8_t channel = (uint8_t)m->kind;
  struct enetjs_slot *slot;
  if (m->peer >= h->enet->peerCount) return true;
  slot = &h->slots[m->peer];
  /* The connection may have ended since the program sent the message. */
  if (slot->generation != m->generation || !enetjs_slot_sends(slot)) return true;
  if (channel >= h->enet->peers[m->peer].channelCount || m->length > h->enet->maximumPacketSize) return true;
  return enetjs_queue_send(slot, channel, m->kind >> 8 & ENETJS_SEND_FLAGS, data, m->length, NULL, 0) >= 0;
}

void enetjs_outbox_take(struct enetjs_host *h) {
  uint8_t *outbox = h->shared + h->scratch_offset;
  size_t filled = h->header[ENETJS_WORD_OUTBOX_FILLED], at = 0;
  if (filled > h->shared_bytes - h->scratch_offset) filled = 0;
  while (filled - at >= sizeof(struct message)) {
    struct message m;
    size_t padded;
    memcpy(&m, outbox + at, sizeof(m));
    padded = sizeof(m) + (((size_t)m.length + 3) & ~(size_t)3);
    if (padded > filled - at) break;
    if (!queue_one(h, &m, outbox + at + sizeof(m))) {
      memmove(outbox, outbox + at, filled - at);
      h->header[ENETJS_WORD_OUTBOX_FILLED] = (uint32_t)(filled - at);
      return;
    }
    at += padded;
  }
  h->header[ENETJS_WORD_OUTBOX_FILLED] = 0;
}

double enetjs_host_push(double host) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  if (!h) return ENETJS_ERR_CLOSED;
  enetjs_service_between_sends(h);
  enetjs_host_release(h);
  return 0;
}

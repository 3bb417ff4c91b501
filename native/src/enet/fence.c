/*
 * Unreliable messages in step with who reads them.
 *
 * Nothing in ENet keeps a program from sending more of them than the other side reads, and what its
 * socket's buffer does not hold is lost; with it, now and then, the one of 65,536 that ENet sends
 * reliably to number anew from there, without which those behind it are dropped as well. So a ping
 * follows every FENCE_BYTES of them. Its acknowledgement tells that they have been read; while it is
 * missing for too many, further messages wait in our own queue, as reliable ones wait for ENet's
 * window. Not for long: they are not what a lost datagram or a far peer should hold up.
 */
#include <string.h>

#include "host/internal.h"

enum {
  FENCE_BYTES = 32 * 1024,
  FENCE_MS = 10,        /* for which an acknowledgement is waited for */
  COMMAND_OVERHEAD = 8, /* of an unreliable message in a datagram */
  PEER_CHANNEL = 0xFF   /* of commands that belong to no channel, as pings */
};

static bool has_ping(ENetList *list, enet_uint16 sequence) {
  for (ENetListIterator i = enet_list_begin(list); i != enet_list_end(list); i = enet_list_next(i)) {
    const ENetOutgoingCommand *command = (ENetOutgoingCommand *)i;
    if (command->command.header.channelID == PEER_CHANNEL && command->reliableSequenceNumber == sequence) return true;
  }
  return false;
}

/* Where ENet keeps a command until it is acknowledged: sent, or to be sent. */
static bool acknowledged(ENetPeer *peer, enet_uint16 sequence) {
  return !has_ping(&peer->sentReliableCommands, sequence) && !has_ping(&peer->outgoingCommands, sequence);
}

/* Only where it was open, so there is a place. */
void enetjs_fence_pass(struct enetjs_slot *slot, size_t bytes) {
  ENetPeer *peer = &slot->host->enet->peers[slot->index];
  struct enetjs_fences *fences = &slot->fences;
  fences->bytes += bytes + COMMAND_OVERHEAD;
  if (fences->bytes < FENCE_BYTES) return;
  enet_peer_ping(peer);
  fences->bytes = 0;
  fences->fence[fences->count++] =
      (struct enetjs_fence){.sequence = peer->outgoingReliableSequenceNumber, .put_at = enet_time_get()};
}

static void remove_first(struct enetjs_fences *fences) {
  fences->count--;
  memmove(fences->fence, fences->fence + 1, fences->count * sizeof(*fences->fence));
}

static enet_uint32 left_of_first(const struct enetjs_fences *fences) {
  enet_uint32 now = enet_time_get(), until = fences->fence[0].put_at + FENCE_MS;
  return ENET_TIME_LESS(now, until) ? ENET_TIME_DIFFERENCE(until, now) : 0;
}

int enetjs_fence_wait(const struct enetjs_slot *slot) {
  return slot->fences.count < ENETJS_FENCES ? -1 : (int)left_of_first(&slot->fences);
}

bool enetjs_fence_open(struct enetjs_slot *slot) {
  struct enetjs_fences *fences = &slot->fences;
  ENetPeer *peer = &slot->host->enet->peers[slot->index];
  if (fences->count < ENETJS_FENCES) return true;
  while (fences->count > 0 && (left_of_first(fences) == 0 || acknowledged(peer, fences->fence[0].sequence)))
    remove_first(fences);
  return fences->count < ENETJS_FENCES;
}

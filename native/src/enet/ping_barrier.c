/*
 * Unreliable messages, sent no faster than the other side reads them.
 *
 * Nothing in ENet keeps a program from sending more of them than the other side reads, and what its
 * socket's buffer does not hold is lost; with it, now and then, the one of 65,536 that ENet sends
 * reliably to number anew from there, without which those behind it are dropped as well. So a ping
 * follows every BARRIER_BYTES of them. Its acknowledgement tells that they have been read; while it is
 * missing for too many, further messages wait in our own queue, as reliable ones wait for ENet's
 * window. Not for long: they are not what a lost datagram or a far peer should hold up.
 */
#include "enet/ping_barrier.h"

#include <enet/time.h>
#include <string.h>

enum {
  BARRIER_BYTES = 32 * 1024,
  BARRIER_MS = 10,        /* for which an acknowledgement is waited for */
  COMMAND_OVERHEAD = 8 /* of an unreliable message in a datagram */
};

/* Only where it was open, so there is a place. */
void enetjs_ping_barriers_pass(struct enetjs_ping_barriers *barriers, ENetPeer *peer, size_t bytes) {
  barriers->bytes += bytes + COMMAND_OVERHEAD;
  if (barriers->bytes < BARRIER_BYTES) return;
  enet_peer_ping(peer);
  barriers->bytes = 0;
  barriers->barrier[barriers->count++] =
      (struct enetjs_ping_barrier){.sequence = peer->outgoingReliableSequenceNumber, .put_at = enet_time_get()};
}

static void remove_first(struct enetjs_ping_barriers *barriers) {
  barriers->count--;
  memmove(barriers->barrier, barriers->barrier + 1, barriers->count * sizeof(*barriers->barrier));
}

static enet_uint32 left_of_first(const struct enetjs_ping_barriers *barriers) {
  enet_uint32 now = enet_time_get(), until = barriers->barrier[0].put_at + BARRIER_MS;
  return ENET_TIME_LESS(now, until) ? ENET_TIME_DIFFERENCE(until, now) : 0;
}

int enetjs_ping_barriers_wait(const struct enetjs_ping_barriers *barriers) {
  return barriers->count < ENETJS_PING_BARRIERS ? -1 : (int)left_of_first(barriers);
}

bool enetjs_ping_barriers_open(struct enetjs_ping_barriers *barriers) {
  if (barriers->count < ENETJS_PING_BARRIERS) return true;
  while (barriers->count > 0 && (left_of_first(barriers) == 0 || barriers->barrier[0].acknowledged))
    remove_first(barriers);
  return barriers->count < ENETJS_PING_BARRIERS;
}

void enetjs_ping_barriers_acknowledged(struct enetjs_ping_barriers *barriers, enet_uint16 sequence) {
  for (unsigned i = 0; i < barriers->count; i++)
    if (barriers->barrier[i].sequence == sequence) barriers->barrier[i].acknowledged = true;
}

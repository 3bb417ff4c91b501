/*
 * Keeps unreliable messages from being sent faster than the other side reads them.
 *
 * ENet has no such limit. Messages for which the socket buffer of the other side has no room are lost. Once
 * in 65,536 messages ENet numbers them anew, with one that it sends reliably; while that one is lost, the
 * other side drops all that follow it. So a ping is sent behind every BARRIER_BYTES of unreliable messages.
 * The acknowledgement of the ping tells that they have been read. While ENETJS_PING_BARRIERS pings are
 * unacknowledged, further messages wait in our own queue, as reliable ones wait for ENet's window. They wait
 * for BARRIER_MS at most, so that a lost datagram or a long round trip holds up no unreliable message for
 * longer.
 *
 * Called with the host's lock held.
 */
#include "enet/ping_barrier.h"

#include <enet/time.h>
#include <string.h>

enum {
  BARRIER_BYTES = 32 * 1024,
  BARRIER_MS = 10,     /* how long a ping holds messages back without an acknowledgement */
  COMMAND_OVERHEAD = 8 /* bytes of the command in front of an unreliable message */
};

/* Called only after enetjs_ping_barriers_open, so there is room for one more. */
void enetjs_ping_barriers_pass(struct enetjs_ping_barriers *barriers, ENetPeer *peer, size_t bytes) {
  barriers->bytes += bytes + COMMAND_OVERHEAD;
  if (barriers->bytes < BARRIER_BYTES) return;
  enet_peer_ping(peer);
  barriers->bytes = 0;
  barriers->barrier[barriers->count++] = (struct enetjs_ping_barrier){
      .sequence = peer->outgoingReliableSequenceNumber, .put_at = enet_time_get()};
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

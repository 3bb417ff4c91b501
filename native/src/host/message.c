/*
 * Messages that ENet has received and put in order: from ENet's list of a peer to the rings (event.c).
 *
 * ENet gives them out one by one, through its queue of peers, after it has read all datagrams of a round.
 * Here those of a datagram are taken as soon as ENet has handled it: their blocks are still in the cache, and
 * the next datagram gets the same ones. Only what cannot be taken then is left to ENet's queue: what came
 * before the connect event, and the rest of more than a limit.
 *
 * ENet reports messages of connected peers only, and drops those of others. So does this.
 * Call with the host's lock held.
 */
#include "enet/dispatch_queue.h"
#include "enet/libenet.h"
#include "enet/waiting.h"
#include "host/internal.h"
#include "wire/inspect.h"

unsigned enetjs_messages_take(struct enetjs_slot *slot, unsigned limit) {
  ENetPeer *peer = enetjs_peer_of(slot);
  ENetPacket *packet;
  enet_uint8 channel;
  unsigned taken = 0;
  if (peer->state != ENET_PEER_STATE_CONNECTED || !slot->connected) return 0;
  for (; taken < limit && (packet = enet_peer_receive(peer, &channel)) != NULL; taken++)
    enetjs_emit_message(slot, channel, packet);
  slot->waiting_commands -= enetjs_smaller(slot->waiting_commands, taken);
  if (enet_list_empty(&peer->dispatchedCommands)) enetjs_leave_dispatch_queue(peer);
  if (!enetjs_libenet_owned) enetjs_recount_waiting(peer);
  return taken;
}

void enetjs_messages_of_datagram(struct enetjs_host *h) {
  struct enetjs_slot *slot = h->read_from;
  if (!slot) return;
  h->read_from = NULL;
  h->messages_taken += enetjs_messages_take(slot, ENETJS_COMMANDS_MAXIMUM);
}

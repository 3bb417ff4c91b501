/*
 * ENet's total of what waits for a peer, and where it goes wrong.
 */
#include "host/internal.h"

static size_t stop_of(const struct enetjs_slot *slot) { return slot->stopped ? ENETJS_STOP_CHARGE : 0; }

/*
 * ENet does not take back what unreliable packets counted towards totalWaitingData that it dropped
 * before they were complete or in order. Left alone, a long and lossy connection would reach the
 * limit with nothing waiting, so the total is set right whenever nothing is.
 */
void enetjs_recount_waiting(struct enetjs_slot *slot) {
  ENetPeer *peer = &slot->host->enet->peers[slot->index];
  size_t stop = stop_of(slot);
  if (peer->totalWaitingData == stop || !enet_list_empty(&peer->dispatchedCommands)) return;
  for (size_t i = 0; i < peer->channelCount; i++)
    if (!enet_list_empty(&peer->channels[i].incomingReliableCommands) ||
        !enet_list_empty(&peer->channels[i].incomingUnreliableCommands))
      return;
  peer->totalWaitingData = stop;
}

/* As ENet frees them. */
static void drop_commands(ENetList *list) {
  while (!enet_list_empty(list)) {
    ENetIncomingCommand *command = enet_list_remove(enet_list_begin(list));
    if (command->packet && --command->packet->referenceCount == 0) enet_packet_destroy(command->packet);
    if (command->fragments) enet_free(command->fragments);
    enet_free(command);
  }
}

static size_t bytes_of(ENetList *list) {
  size_t bytes = 0;
  for (ENetListIterator i = enet_list_begin(list); i != enet_list_end(list); i = enet_list_next(i)) {
    const ENetIncomingCommand *command = (ENetIncomingCommand *)i;
    if (command->packet) bytes += command->packet->dataLength;
  }
  return bytes;
}

/*
 * Unreliable packets that were sent after a reliable one wait for it. When it is lost, a flood of them
 * can reach the limit, and ENet would refuse the very packet they wait for when it is sent again,
 * until the peer times out. They may be lost, it may not.
 */
void enetjs_relieve_waiting(struct enetjs_slot *slot) {
  ENetHost *enet = slot->host->enet;
  ENetPeer *peer = &enet->peers[slot->index];
  size_t bytes;
  if (slot->stopped || peer->totalWaitingData < enet->maximumWaitingData) return;
  bytes = bytes_of(&peer->dispatchedCommands);
  for (size_t i = 0; i < peer->channelCount; i++) {
    drop_commands(&peer->channels[i].incomingUnreliableCommands);
    bytes += bytes_of(&peer->channels[i].incomingReliableCommands);
  }
  peer->totalWaitingData = bytes;
}

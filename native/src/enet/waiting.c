/*
 * Corrects ENet's count of the bytes of a peer that wait to be dispatched, totalWaitingData.
 *
 * ENet adds an unreliable packet to the count when it arrives. When ENet drops the packet because it stays
 * incomplete or comes late, it does not subtract it. So on a long and lossy connection the count would reach
 * its limit while nothing waits. It is set to 0 here whenever nothing waits. Only needed where libenet does
 * not use our allocator: otherwise accounts limit the memory (host/allowance.c).
 *
 * Called with the host's lock held.
 */
#include "enet/waiting.h"

void enetjs_recount_waiting(ENetPeer *peer) {
  if (peer->totalWaitingData == 0 || !enet_list_empty(&peer->dispatchedCommands)) return;
  for (size_t i = 0; i < peer->channelCount; i++)
    if (!enet_list_empty(&peer->channels[i].incomingReliableCommands) ||
        !enet_list_empty(&peer->channels[i].incomingUnreliableCommands))
      return;
  peer->totalWaitingData = 0;
}

/*
 * ENet's total of what waits for a peer, where libenet's memory is not ours and cannot be counted instead.
 *
 * ENet does not take back what unreliable packets counted towards totalWaitingData that it dropped
 * before they were complete or in order. Left alone, a long and lossy connection would reach the
 * limit with nothing waiting, so the total is set right whenever nothing is.
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

/*
 * Reads the commands of a datagram that has passed all limits, before ENet handles it. It notes what ENet
 * does not keep of them, and changes those that ENet would take wrongly.
 *
 * The work for a datagram is bounded by its length. Called within ENet's service, with the host's lock held.
 */
#include "host/internal.h"
#include "wire/command.h"

/* The kinds of commands of which nothing is noted. */
#define PLAIN (1u << ENET_PROTOCOL_COMMAND_SEND_RELIABLE | 1u << ENET_PROTOCOL_COMMAND_SEND_FRAGMENT)

/* ENet counts retransmissions, and from time to time sets its counter to 0. */
void enetjs_commands_count_lost(struct enetjs_slot *slot, unsigned acknowledged) {
  struct enetjs_quality *quality = &slot->quality;
  enet_uint32 lost = enetjs_peer_of(slot)->packetsLost;
  enet_uint32 more = lost >= quality->counted_lost ? lost - quality->counted_lost : lost;
  quality->counted_lost = lost;
  quality->retransmitted += more;
  enetjs_recent_add(&quality->lost, more, more + acknowledged, slot->host->enet->serviceTime);
}

static void acknowledgement(struct enetjs_slot *slot, const ENetProtocol *command,
                            struct enetjs_acknowledgement_search *search) {
  const ENetPeer *peer = enetjs_peer_of(slot);
  if (command->header.channelID == ENETJS_PEER_CHANNEL)
    enetjs_ping_barriers_acknowledged(
        &slot->ping_barriers, ENET_NET_TO_HOST_16(command->acknowledge.receivedReliableSequenceNumber));
  if (enetjs_fast_retransmit_knows(&slot->fast, command, peer->host->serviceTime)) return;
  if (!enetjs_fast_retransmit_acknowledged(&slot->fast, peer, command, search)) return;
  enetjs_round_trip_measure(&slot->quality.round_trip, slot->fast.round_trip, peer->host->serviceTime);
  enetjs_resend_look(slot);
}

void enetjs_commands_note(struct enetjs_slot *slot, struct enetjs_datagram *datagram) {
  ENetPeer *peer = enetjs_peer_of(slot);
  enet_uint8 *at = datagram->bytes + datagram->header_bytes, *end = datagram->bytes + datagram->length;
  struct enetjs_command command;
  struct enetjs_acknowledgement_search search = enetjs_acknowledgement_search_of(peer);
  unsigned acknowledged = 0;
  bool pings = true;
  if ((datagram->kinds & ~PLAIN) == 0) return;
  for (; enetjs_command_read(at, (size_t)(end - at), &command); at += command.length) {
    switch (command.kind) {
      case ENET_PROTOCOL_COMMAND_ACKNOWLEDGE:
        acknowledged++;
        acknowledgement(slot, command.protocol, &search);
        pings = pings && command.protocol->header.channelID == ENETJS_PEER_CHANNEL;
        break;
      case ENET_PROTOCOL_COMMAND_THROTTLE_CONFIGURE:
        enetjs_throttle_configured(&slot->throttle, peer, command.protocol);
        break;
      default: enetjs_gaps_note(&slot->quality.gaps, &command, peer->host->serviceTime); break;
    }
  }
  if (acknowledged == 0) return;
  enetjs_commands_count_lost(slot, acknowledged);
  if (enetjs_throttle_acknowledged(&slot->throttle, peer, pings)) slot->host->being_handled = slot;
}

void enetjs_commands_handled(struct enetjs_host *h) {
  struct enetjs_slot *slot = h->being_handled;
  if (!slot) return;
  h->being_handled = NULL;
  enetjs_throttle_handled(&slot->throttle, enetjs_peer_of(slot));
}

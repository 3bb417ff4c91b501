/*
 * One look at the commands of a datagram that has passed all limits, before ENet handles it: what must be known of
 * them that ENet does not keep, and what must not reach ENet as it is.
 *
 * The work for a datagram is bounded by its length. Called within ENet's service, with the host's lock held.
 */
#include "host/internal.h"
#include "wire/command.h"

void enetjs_commands_note(struct enetjs_slot *slot, struct enetjs_datagram *datagram) {
  ENetPeer *peer = enetjs_peer_of(slot);
  enet_uint8 *at = datagram->bytes + datagram->header_bytes, *end = datagram->bytes + datagram->length;
  struct enetjs_command command;
  struct enetjs_acknowledgement_search search = enetjs_acknowledgement_search_of(peer);
  bool acknowledges = false, pings = true, later = false;
  for (; enetjs_command_read(at, (size_t)(end - at), &command); at += command.length) {
    switch (command.kind) {
      case ENET_PROTOCOL_COMMAND_ACKNOWLEDGE:
        acknowledges = true;
        later |= enetjs_fast_retransmit_acknowledged(&slot->fast, peer, command.protocol, &search);
        pings = pings && command.protocol->header.channelID == ENETJS_PEER_CHANNEL;
        break;
      case ENET_PROTOCOL_COMMAND_THROTTLE_CONFIGURE:
        enetjs_throttle_configured(&slot->throttle, peer, command.protocol);
        break;
      default: break;
    }
  }
  if (later) enetjs_resend_look(slot);
  if (acknowledges && enetjs_throttle_acknowledged(&slot->throttle, peer, pings)) slot->host->being_handled = slot;
}

void enetjs_commands_handled(struct enetjs_host *h) {
  struct enetjs_slot *slot = h->being_handled;
  if (!slot) return;
  h->being_handled = NULL;
  enetjs_throttle_handled(&slot->throttle, enetjs_peer_of(slot));
}

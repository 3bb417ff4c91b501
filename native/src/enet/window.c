/*
 * Sets ENet's window of a peer (`windowSize`) to what the congestion controller allows (congestion.h).
 *
 * ENet sends a reliable message while the bytes under way (`reliableDataInTransit`) stay within `windowSize`.
 * It does so twice in a service, before and after it reads, and each time sends all that fits. So the window
 * is set before both: to the bytes under way and those that may leave now. That is the pacing.
 *
 *   ENet resets it: the BANDWIDTH_LIMIT that each peer sends after it has connected sets the window to 65,536
 *     (protocol.c of ENet, enet_protocol_handle_bandwidth_limit). That lasts for one service at most.
 *   ENet scales it with `packetThrottle`, which is meant for unreliable messages. The window is divided by
 *     that here.
 *   Retransmission: commands that time out are no longer under way, so ENet would send them again in one
 *     burst. Before a service in which that happens the window is lowered by their bytes, so that they are
 *     paced.
 *   Timeouts: ENet's are the mean round trip and four times its variance, which is close to 0 on a steady
 *     link. With a queue of some milliseconds in the network, all that is under way would be sent twice. So a
 *     command that is about to time out for the first time gets the controller's patience. No more bytes time
 *     out at once than may leave. The others get their time once more, because ENet walks what it has to send
 *     for each datagram.
 *   Minimum: while less than ENet's own window is under way, only retransmissions are paced.
 *
 * Called with the host's lock held.
 */
#include "enet/window.h"

#include <enet/time.h>

#include "base/number.h"
#include "wire/unsent.h"

#define DUE_SLACK_MS 1 /* ENet reads the clock itself in its service, a little later */

bool enetjs_window_limited(const ENetPeer *peer) {
  return peer->incomingBandwidth != 0 || peer->host->outgoingBandwidth != 0;
}

void enetjs_window_near(ENetPeer *peer) {
  if (!enetjs_window_limited(peer)) peer->windowSize = ENETJS_WINDOW_NEAR;
}

static bool is_reliable(const ENetOutgoingCommand *command) {
  return command->packet && (command->command.header.command & ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE);
}

size_t enetjs_window_count_unsent(ENetPeer *peer) {
  size_t bytes = 0;
  ENetList *list = enetjs_unsent_messages(peer);
  for (ENetListIterator i = enet_list_begin(list); i != enet_list_end(list); i = enet_list_next(i)) {
    const ENetOutgoingCommand *command = (ENetOutgoingCommand *)i;
    if (is_reliable(command)) bytes += command->fragmentLength;
  }
  return bytes;
}

size_t enetjs_window_fixed_room(ENetPeer *peer) {
  size_t window = (size_t)peer->packetThrottle * peer->windowSize / ENET_PEER_PACKET_THROTTLE_SCALE;
  size_t taken = peer->reliableDataInTransit + enetjs_window_count_unsent(peer);
  window = enetjs_larger(window, peer->mtu);
  return window > taken ? window - taken : 0;
}

/*
 * ENet divides the sequence numbers of a channel into 16 windows, and begins none while one of the ten from
 * there on has commands under way (protocol.c, enet_protocol_check_outgoing_commands).
 */
bool enetjs_window_wraps(const ENetPeer *peer, enet_uint8 id) {
  const ENetChannel *channel = &peer->channels[id];
  enet_uint16 next = (enet_uint16)(channel->outgoingReliableSequenceNumber + 1);
  unsigned window = next / ENET_PEER_RELIABLE_WINDOW_SIZE;
  unsigned before = (window + ENET_PEER_RELIABLE_WINDOWS - 1) % ENET_PEER_RELIABLE_WINDOWS;
  unsigned ahead = (1u << (ENET_PEER_FREE_RELIABLE_WINDOWS + 2)) - 1;
  if (channel->usedReliableWindows & 1u << window) return false; /* it has begun */
  return channel->reliableWindows[before] >= ENET_PEER_RELIABLE_WINDOW_SIZE ||
         (channel->usedReliableWindows & (ahead << window | ahead >> (ENET_PEER_RELIABLE_WINDOWS - window)));
}

/* ENet puts retransmissions first. */
static bool is_resending(ENetPeer *peer) {
  ENetList *list = enetjs_unsent_messages(peer);
  return !enet_list_empty(list) && ((ENetOutgoingCommand *)enet_list_front(list))->sendAttempts > 0;
}

static bool is_due(const ENetOutgoingCommand *command, enet_uint32 now) {
  return ENET_TIME_DIFFERENCE(now, command->sentTime) >= command->roundTripTimeout;
}

/* A timeout of 0 has been set to have the command sent again at once. */
static void have_patience(ENetOutgoingCommand *command, enet_uint32 patience) {
  if (command->roundTripTimeout > 0 && command->roundTripTimeout < patience)
    command->roundTripTimeout = patience;
}

/*
 * Commands that a queue has made late get more time, and so do those beyond `room`, the bytes that may leave.
 * @returns bytes that time out in ENet's next service
 */
static size_t count_due(const struct enetjs_window *window, ENetPeer *peer, enet_uint32 now, size_t room) {
  enet_uint32 patience = enetjs_congestion_patience(&window->congestion);
  ENetOutgoingCommand *first = (ENetOutgoingCommand *)enet_list_front(&peer->sentReliableCommands);
  size_t bytes = 0;
  if (enet_list_empty(&peer->sentReliableCommands) || ENET_TIME_LESS(now, peer->nextTimeout)) return 0;
  for (ENetListIterator i = enet_list_begin(&peer->sentReliableCommands);
       i != enet_list_end(&peer->sentReliableCommands); i = enet_list_next(i)) {
    ENetOutgoingCommand *command = (ENetOutgoingCommand *)i;
    if (!is_due(command, now)) continue;
    have_patience(command, patience);
    if (!is_due(command, now) || !command->packet) continue;
    if (bytes > 0 && bytes >= room)
      command->roundTripTimeout += ENET_TIME_DIFFERENCE(now, command->sentTime);
    else
      bytes += command->fragmentLength;
  }
  if (bytes == 0) peer->nextTimeout = first->sentTime + first->roundTripTimeout;
  return bytes;
}

static enet_uint32 unthrottled(const ENetPeer *peer, size_t bytes) {
  enet_uint32 throttle = peer->packetThrottle ? peer->packetThrottle : 1;
  return (enet_uint32)(bytes * ENET_PEER_PACKET_THROTTLE_SCALE / throttle);
}

/* @param under_way without what is about to time out */
static size_t limit_of(struct enetjs_window *window, ENetPeer *peer, size_t under_way, bool resends,
                       uint64_t now_us) {
  size_t limit = under_way + enetjs_congestion_credit(&window->congestion, now_us);
  if (!resends && !is_resending(peer)) limit = enetjs_larger(limit, ENETJS_WINDOW_MINIMUM);
  return enetjs_smaller(limit, enetjs_congestion_window(&window->congestion));
}

/* ---- A service ------------------------------------------------------------------------------- */

static void open_until(struct enetjs_window *window, ENetPeer *peer, size_t due, uint64_t now_us) {
  window->counting = window->reading = false;
  if (enetjs_window_limited(peer)) return;
  window->due = due;
  window->losses = peer->packetsLost;
  window->before = peer->reliableDataInTransit - enetjs_smaller(due, peer->reliableDataInTransit);
  peer->windowSize = unthrottled(peer, limit_of(window, peer, window->before, due > 0, now_us));
  window->counting = true;
}

void enetjs_window_open(struct enetjs_window *window, ENetPeer *peer, uint64_t now_us) {
  size_t room = enetjs_congestion_credit(&window->congestion, now_us);
  open_until(window, peer, count_due(window, peer, enet_time_get() + DUE_SLACK_MS, room), now_us);
}

void enetjs_window_open_for_flush(struct enetjs_window *window, ENetPeer *peer, uint64_t now_us) {
  open_until(window, peer, 0, now_us);
}

static void count_sent(struct enetjs_window *window, const ENetPeer *peer) {
  struct enetjs_congestion *c = &window->congestion;
  if (!window->counting) return;
  window->counting = false;
  if (window->due > 0 && peer->packetsLost == window->losses)
    window->before += window->due; /* nothing has timed out after all */
  else
    enetjs_congestion_lost(c, window->due);
  if (peer->reliableDataInTransit > window->before)
    enetjs_congestion_sent(c, peer->reliableDataInTransit - window->before);
}

void enetjs_window_read(struct enetjs_window *window, const ENetPeer *peer) {
  count_sent(window, peer);
  window->before = peer->reliableDataInTransit;
  window->reading = true;
}

static void count_acknowledged(struct enetjs_window *window, const ENetPeer *peer, uint64_t now_us) {
  if (!window->reading) return;
  window->reading = false;
  if (peer->reliableDataInTransit < window->before)
    enetjs_congestion_acknowledged(&window->congestion, window->before - peer->reliableDataInTransit, now_us);
}

void enetjs_window_reopen(struct enetjs_window *window, ENetPeer *peer, uint64_t now_us) {
  size_t room = enetjs_congestion_credit(&window->congestion, now_us);
  count_acknowledged(window, peer, now_us);
  open_until(window, peer, count_due(window, peer, peer->host->serviceTime, room), now_us);
}

void enetjs_window_close(struct enetjs_window *window, const ENetPeer *peer) {
  count_sent(window, peer);
  window->reading = false;
}

/* ---- Between services ------------------------------------------------------------------------ */

size_t enetjs_window_resend_room(struct enetjs_window *window, ENetPeer *peer, uint64_t now_us) {
  size_t credit = enetjs_congestion_credit(&window->congestion, now_us),
         taken = enetjs_window_count_unsent(peer);
  return credit > taken ? credit - taken : 0;
}

size_t enetjs_window_room(struct enetjs_window *window, ENetPeer *peer, uint64_t now_us) {
  size_t limit = limit_of(window, peer, peer->reliableDataInTransit, false, now_us);
  size_t taken = peer->reliableDataInTransit + enetjs_window_count_unsent(peer);
  return limit > taken ? limit - taken : 0;
}

bool enetjs_window_idle(ENetPeer *peer) {
  return enet_list_empty(enetjs_unsent_messages(peer)) && enet_list_empty(&peer->sentReliableCommands);
}

int enetjs_window_wait(const struct enetjs_window *window, const ENetPeer *peer, uint64_t now_us) {
  bool full = peer->reliableDataInTransit + peer->mtu > enetjs_congestion_window(&window->congestion);
  return full ? -1 : enetjs_congestion_wait(&window->congestion, now_us);
}

/*
 * ENet retransmits a command when its timer fires: 500 ms for the first ones, later a round trip and four times its
 * variance. Acknowledgements tell earlier. Each carries the sent time of the datagram that it acknowledges. So when
 * something was acknowledged that was sent later than a command, then the command is lost, or was overtaken. It is
 * taken for lost once so much time has passed that even what is overtaken by as much as it was seen to happen would
 * have been acknowledged. This is the rule of RACK (RFC 8985, section 6.2), with ENet's sent times in place of its
 * own, which makes it exact for what was sent more than once.
 *
 *   lost: sent before `newest`, and longer ago than `round_trip` and the tolerance for reordering
 *
 * Sent commands lie in sentReliableCommands in the order of their sent times, the oldest first. What is lost is put
 * where ENet's timer would put it (protocol.c, enet_protocol_check_timeouts), before what has not been sent. ENet
 * then sends it again with a fresh timeout. Its own clean-up of the acknowledgement works in both lists.
 *
 * An acknowledgement counts if it names a command that is under way and the time at which that was sent: what was
 * never sent, is old or is repeated changes nothing. A peer that lies can have each command sent again
 * ATTEMPTS times. Then the timer takes over, whose doubled timeouts end a connection that never acknowledges
 * one command. In ENet 1.3.18 it is the number of attempts that ends a connection. There, one is all, and the timeout is
 * doubled as if the timer had fired, so that the connection lasts as long.
 *
 * Bounds: SEARCH_STEPS for the acknowledgements of a datagram, RESEND_STEPS for a call of resend. What may not leave yet
 * stays where it is, for ENet would walk it for each datagram that it sends.
 */
#include "enet/fast_retransmit.h"

#include <enet/time.h>

#include "base/number.h"
#include "wire/unsent.h"

#if ENETJS_HAS_MESSAGE_LIST
#define ATTEMPTS 1
#else
#define ATTEMPTS 3
#endif

enum {
  SEARCH_STEPS = 512,
  RESEND_STEPS = 1024,
  INTERVAL_MS = 10000,       /* for one to two of which reordering is remembered */
  REORDERING_MAXIMUM_MS = 1000,
  UNSEEN_PART = 4 /* before any reordering was seen, this part of the shortest round trip is tolerated */
};

/* ---- What acknowledgements tell --------------------------------------------------------------- */

/* From where the last one was found, because they mostly come in the order of the list. Of a sent command, or NULL. */
static const ENetOutgoingCommand *find(struct enetjs_acknowledgement_search *search, const ENetPeer *peer,
                                       enet_uint16 sequence, enet_uint8 channel) {
  const ENetListNode *end = &peer->sentReliableCommands.sentinel;
  for (ENetListIterator i = search->at; i != end && search->steps < SEARCH_STEPS; i = enet_list_next(i)) {
    const ENetOutgoingCommand *command = (ENetOutgoingCommand *)i;
    search->steps++;
    if (command->reliableSequenceNumber != sequence || command->command.header.channelID != channel) continue;
    search->at = enet_list_next(i);
    return command;
  }
  return NULL;
}

static void note_reordering(struct enetjs_fast_retransmit *fast, enet_uint32 by, enet_uint32 now) {
  if (by > REORDERING_MAXIMUM_MS) by = REORDERING_MAXIMUM_MS;
  if (ENET_TIME_DIFFERENCE(now, fast->interval) >= INTERVAL_MS) {
    fast->reordered[1] = ENET_TIME_DIFFERENCE(now, fast->interval) < 2 * INTERVAL_MS ? fast->reordered[0] : 0;
    fast->reordered[0] = 0;
    fast->interval = now;
  }
  if (by > fast->reordered[0]) fast->reordered[0] = by;
}

bool enetjs_fast_retransmit_acknowledged(struct enetjs_fast_retransmit *fast, const ENetPeer *peer,
                                         const ENetProtocol *command, struct enetjs_acknowledgement_search *search) {
  const enet_uint32 now = peer->host->serviceTime;
  const enet_uint16 time = ENET_NET_TO_HOST_16(command->acknowledge.receivedSentTime);
  const enet_uint32 round_trip = (enet_uint16)(now - time), sent = now - round_trip;
  const ENetOutgoingCommand *sent_command;
  bool is_late;
  if (enetjs_fast_retransmit_knows(fast, command, now)) return false;
  sent_command = find(search, peer, ENET_NET_TO_HOST_16(command->acknowledge.receivedReliableSequenceNumber),
                      command->header.channelID);
  if (!sent_command) return false;
  is_late = fast->begun && ENET_TIME_LESS(sent, fast->newest);
  if (is_late) note_reordering(fast, ENET_TIME_DIFFERENCE(fast->newest, sent), now);
  if ((enet_uint16)sent_command->sentTime != time) {
    /* The time of an earlier copy, which had arrived, or of none. */
    if (sent_command->sendAttempts > 1 && ENET_TIME_LESS(sent, sent_command->sentTime)) fast->needless++;
    return false;
  }
  if (is_late) return false;
  fast->newest = sent;
  fast->round_trip = round_trip;
  if (!fast->begun || round_trip < fast->shortest) fast->shortest = round_trip;
  fast->begun = true;
  return true;
}

/* ---- What is lost ---------------------------------------------------------------------------- */

static enet_uint32 seen_reordering(const struct enetjs_fast_retransmit *fast) {
  enet_uint32 seen = (enet_uint32)enetjs_larger(fast->reordered[0], fast->reordered[1]);
  return seen + seen / 4;
}

static enet_uint32 tolerance(const struct enetjs_fast_retransmit *fast) {
  return (enet_uint32)enetjs_larger(seen_reordering(fast), fast->shortest / UNSEEN_PART) + 1;
}

/* ENet's timeout follows a steady round trip so closely that it would hit what is overtaken. */
static void slow_timer(const struct enetjs_fast_retransmit *fast, ENetPeer *peer) {
  enet_uint32 least = (seen_reordering(fast) + 3) / 4;
  if (peer->roundTripTimeVariance < least) peer->roundTripTimeVariance = least;
}

/* Pings and the like hold up nothing. */
static bool may_be_resent(const ENetOutgoingCommand *command) {
  return command->packet && command->sendAttempts <= ATTEMPTS;
}

/* As enet_protocol_check_timeouts does, but for what follows from time: neither has the peer been silent. */
static void put_back(ENetPeer *peer, ENetOutgoingCommand *command, ENetListIterator before) {
  peer->reliableDataInTransit -= command->fragmentLength;
  peer->packetsLost++;
#if ENETJS_HAS_MESSAGE_LIST
  command->roundTripTimeout = 2 * (peer->roundTripTime + 4 * peer->roundTripTimeVariance);
#else
  command->roundTripTimeout = 0; /* and ENet sets it anew */
#endif
  enet_list_insert(before, enet_list_remove(&command->outgoingCommandList));
}

/* ENet's timer is that of the first command. */
static void set_timer(ENetPeer *peer) {
  const ENetOutgoingCommand *first;
  if (enet_list_empty(&peer->sentReliableCommands)) return;
  first = (ENetOutgoingCommand *)enet_list_front(&peer->sentReliableCommands);
  peer->nextTimeout = first->sentTime + first->roundTripTimeout;
}

unsigned enetjs_fast_retransmit_resend(struct enetjs_fast_retransmit *fast, ENetPeer *peer, enet_uint32 now,
                                       size_t room) {
  const enet_uint32 limit = fast->round_trip + tolerance(fast);
  ENetListIterator end = enet_list_end(&peer->sentReliableCommands),
                   before = enet_list_begin(enetjs_unsent_messages(peer)), next;
  unsigned resent = 0;
  size_t bytes = 0;
  fast->steps = 0;
  fast->waits = false;
  slow_timer(fast, peer);
  for (ENetListIterator i = enet_list_begin(&peer->sentReliableCommands); i != end && fast->steps < RESEND_STEPS; i = next) {
    ENetOutgoingCommand *command = (ENetOutgoingCommand *)i;
    next = enet_list_next(i);
    fast->steps++;
    if (!ENET_TIME_LESS(command->sentTime, fast->newest)) break;
    if (!may_be_resent(command)) continue;
    if (ENET_TIME_DIFFERENCE(now, command->sentTime) < limit) {
      fast->waits = true;
      fast->due = command->sentTime + limit;
      break;
    }
    if (bytes >= room) {
      fast->waits = true;
      fast->due = now + 1;
      break;
    }
    bytes += command->fragmentLength;
    put_back(peer, command, before);
    resent++;
  }
  if (resent > 0) set_timer(peer);
  fast->resent += resent;
  return resent;
}

/*
 * Retransmits a reliable command as soon as acknowledgements show that it is lost.
 *
 * ENet by itself retransmits a command when its timer fires: after 500 ms at first, later after a round trip
 * and four times its variance. Acknowledgements tell earlier, because each carries the sent time of what it
 * acknowledges. When a command is acknowledged that was sent later than another one, then the other one is
 * lost, or was overtaken. It is taken for lost once it would have been acknowledged even if it was overtaken
 * by as much as was seen of late. This is the rule of RACK (RFC 8985, section 6.2). ENet's sent times make it
 * exact for what was sent more than once.
 *
 *   lost: sent before `newest`, and longer ago than `round_trip` and the tolerance for reordering
 *
 * Sent commands lie in sentReliableCommands in the order of their sent times, the oldest first. A lost
 * command is put where ENet's timer would put it, before what has not been sent (protocol.c of ENet,
 * enet_protocol_check_timeouts). ENet then sends it again with a fresh timeout. ENet finds the command of an
 * acknowledgement in both lists.
 *
 * An acknowledgement counts only if it names a command that is under way, and the time at which that was
 * sent. One that is forged, old or repeated changes nothing. A peer that lies can have each command sent
 * again ATTEMPTS times. Then ENet's timer takes over. Its doubled timeouts end a connection that never
 * acknowledges one command. ENet 1.3.18 counts attempts to end a connection. There the timeout is doubled at
 * each attempt as if the timer had fired, so that the connection lasts as long.
 *
 * When the peer has another address, everything is lost that was under way to the old one. It is sent again
 * without an acknowledgement that would tell so.
 *
 * Bounds: SEARCH_STEPS for the acknowledgements of a datagram, RESEND_STEPS for a call of resend. A lost
 * command that may not leave yet stays where it is, because ENet walks what it has to send for each datagram.
 *
 * Called with the host's lock held.
 */
#include "enet/fast_retransmit.h"

#include <enet/time.h>

#include "base/number.h"
#include "wire/unsent.h"

enum {
  ATTEMPTS = 3,
  SEARCH_STEPS = 512,
  RESEND_STEPS = 1024,
  INTERVAL_MS = 10000, /* reordering is remembered for one to two of these */
  REORDERING_MAXIMUM_MS = 1000,
  UNSEEN_PART = 4 /* before any reordering was seen, this part of the shortest round trip is tolerated */
};

/* ---- What acknowledgements tell --------------------------------------------------------------- */

/*
 * Begins where the last one was found, because acknowledgements mostly come in the order of the list.
 * @returns NULL for none
 */
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
                                         const ENetProtocol *command,
                                         struct enetjs_acknowledgement_search *search) {
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
    /* It acknowledges an earlier copy, which had arrived, or no copy at all. */
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

/*
 * On a steady link ENet's timeout is so close to the round trip that it would fire for what was only
 * overtaken.
 */
static void slow_timer(const struct enetjs_fast_retransmit *fast, ENetPeer *peer) {
  enet_uint32 least = (seen_reordering(fast) + 3) / 4;
  if (peer->roundTripTimeVariance < least) peer->roundTripTimeVariance = least;
}

/* Whether it was sent where the peer is no more. */
static bool missed(const struct enetjs_fast_retransmit *fast, const ENetOutgoingCommand *command) {
  return fast->path_lost && !ENET_TIME_LESS(fast->path_lost_at, command->sentTime);
}

/* Commands without a message, such as pings, hold up nothing. */
static bool may_be_resent(const ENetOutgoingCommand *command) {
  return command->packet && command->sendAttempts <= ATTEMPTS;
}

/* As enet_protocol_check_timeouts does, except that the peer does not count as silent. */
static void put_back(ENetPeer *peer, ENetOutgoingCommand *command, ENetListIterator before) {
  peer->reliableDataInTransit -= command->fragmentLength;
  peer->packetsLost++;
#if ENETJS_HAS_MESSAGE_LIST
  command->roundTripTimeout = (peer->roundTripTime + 4 * peer->roundTripTimeVariance)
                              << command->sendAttempts;
#else
  command->roundTripTimeout = 0; /* ENet sets it when it sends the command */
#endif
  enet_list_insert(before, enet_list_remove(&command->outgoingCommandList));
}

/* ENet's timer fires for the first command of the list. */
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
  for (ENetListIterator i = enet_list_begin(&peer->sentReliableCommands);
       i != end && fast->steps < RESEND_STEPS; i = next) {
    ENetOutgoingCommand *command = (ENetOutgoingCommand *)i;
    const bool is_missed = missed(fast, command);
    next = enet_list_next(i);
    fast->steps++;
    if (!is_missed && !ENET_TIME_LESS(command->sentTime, fast->newest)) break;
    if (!may_be_resent(command)) continue;
    if (!is_missed && ENET_TIME_DIFFERENCE(now, command->sentTime) < limit) {
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
  fast->path_lost = fast->path_lost && bytes >= room; /* and goes on when there is room */
  if (resent > 0) set_timer(peer);
  fast->resent += resent;
  return resent;
}

/*
 * See inspect.h. Everything here follows ENet 1.3.17's protocol.c and peer.c: which commands allocate what,
 * and which lists ENet walks for them.
 *
 *   Reliable messages: ENet finds the place in incomingReliableCommands (message_walk.h).
 *   Unreliable messages: ENet finds the place in incomingUnreliableCommands. Then it walks the incomplete
 *   messages at the front of that list, which belong to the current reliable sequence number.
 *   Acknowledgements: ENet finds the command that is acknowledged (acknowledgement_walk.h).
 *
 * A walk that removes what it passes is not counted, because each command is removed once.
 *
 * The lists are those before the datagram. Of the changes that its own commands make, those that honest
 * datagrams need are followed: messages come in the order of a channel, and acknowledgements in the order of
 * the list.
 *
 * Called with the host's lock held, within ENet's intercept callback.
 */
#include "wire/inspect.h"

#include <string.h>

#include "base/number.h"
#include "base/pool.h"
#include "wire/command.h"
#include "wire/fragments.h"

enum { FRAGMENTS_PER_WORD = 32, CHANNELS_FOLLOWED = 8 };

struct inspector {
  ENetPeer *peer;
  const enet_uint8 *end;
  struct enetjs_allowance left;
  struct enetjs_inspection result;
  bool relies;       /* a command before relies on an unreliable message that waits, so none may be dropped */
  bool plenty;       /* all messages that a datagram can hold fit, fragments apart */
  bool acknowledged; /* the header has a sent time, without which ENet acknowledges nothing */
  size_t packet_cost, command_cost, acknowledgement_cost;
  struct {
    bool known;
    enet_uint8 channel;
    /* the next on the channel, after the messages that the datagram has brought in order */
    enet_uint16 sequence;
  } next[CHANNELS_FOLLOWED];
  struct enetjs_message_walk messages;
  struct enetjs_acknowledgement_walk acknowledgements;
  struct enetjs_fragments_begun begun;
};

static bool refuse(struct inspector *in, enum enetjs_verdict verdict) {
  in->result.verdict = verdict;
  return false;
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static size_t message_cost(const struct inspector *in, size_t length, size_t fragments) {
  size_t cost = in->packet_cost + in->command_cost;
  if (length > 0) cost += enetjs_pool_cost(length);
  if (fragments > 0)
    cost += enetjs_pool_cost((fragments + FRAGMENTS_PER_WORD - 1) / FRAGMENTS_PER_WORD * sizeof(enet_uint32));
  return cost;
}

static void take(size_t *left, size_t cost) { *left -= cost < *left ? cost : *left; }

static bool spend(struct inspector *in, size_t cost, size_t allowed) {
  if (cost > allowed) return refuse(in, ENETJS_CUT_MEMORY);
  take(&in->left.ahead, cost);
  take(&in->left.next, cost);
  take(&in->left.assembly, cost);
  take(&in->left.host, cost);
  take(&in->left.sparse, cost);
  take(&in->left.control, cost);
  in->result.bytes += cost;
  return true;
}

static size_t acknowledgement_of(const struct inspector *in, const ENetProtocol *command) {
  return in->acknowledged && command->header.command & ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE
             ? in->acknowledgement_cost
             : 0;
}

static bool spend_control(struct inspector *in, const ENetProtocol *command) {
  size_t cost = acknowledgement_of(in, command);
  return cost == 0 || spend(in, cost, in->left.control);
}

/* ---- Order ----------------------------------------------------------------------------------- */

/* ENet discards what is behind the window, and what is too far ahead. */
static bool in_window(const ENetChannel *channel, enet_uint16 sequence) {
  unsigned window = sequence / ENET_PEER_RELIABLE_WINDOW_SIZE;
  unsigned current = channel->incomingReliableSequenceNumber / ENET_PEER_RELIABLE_WINDOW_SIZE;
  if (sequence < channel->incomingReliableSequenceNumber) window += ENET_PEER_RELIABLE_WINDOWS;
  return window >= current && window < current + ENET_PEER_FREE_RELIABLE_WINDOWS - 1;
}

static bool follows(const struct inspector *in, enet_uint8 id, enet_uint16 sequence) {
  unsigned i = id % CHANNELS_FOLLOWED;
  return in->next[i].known && in->next[i].channel == id && in->next[i].sequence == sequence;
}

static void follow(struct inspector *in, enet_uint8 id, enet_uint16 sequence) {
  unsigned i = id % CHANNELS_FOLLOWED;
  in->next[i].known = true;
  in->next[i].channel = id;
  in->next[i].sequence = (enet_uint16)(sequence + 1);
}

/* ---- Unreliable messages that wait ------------------------------------------------------------ */

/* As ENet frees them. */
static void drop(ENetListIterator i) {
  ENetIncomingCommand *command = enet_list_remove(i);
  if (command->packet && --command->packet->referenceCount == 0) enet_packet_destroy(command->packet);
  if (command->fragments) enet_free(command->fragments);
  enet_free(command);
}

static bool is_incomplete(const ENetChannel *channel, ENetListIterator i) {
  const ENetIncomingCommand *command = (ENetIncomingCommand *)i;
  return command->reliableSequenceNumber == channel->incomingReliableSequenceNumber &&
         command->fragmentsRemaining > 0;
}

static void drop_first(struct inspector *in, ENetList *list) {
  drop(enet_list_begin(list));
  in->result.dropped++;
  enetjs_message_walk_forget(&in->messages);
}

/*
 * Bounds what ENet walks for each unreliable message, which is the incomplete ones. @returns false to refuse
 * it
 */
static bool bound_incomplete(struct inspector *in, ENetChannel *channel) {
  ENetList *list = &channel->incomingUnreliableCommands;
  size_t count = 0;
  ENetListIterator i = enet_list_begin(list);
  for (; i != enet_list_end(list) && count < ENETJS_INCOMPLETE_MAXIMUM && is_incomplete(channel, i); count++)
    i = enet_list_next(i);
  if (!enetjs_message_walk_count(&in->messages, count)) return refuse(in, ENETJS_CUT_EXCESS);
  if (count == ENETJS_INCOMPLETE_MAXIMUM)
    while (count-- > 0) drop_first(in, list);
  return true;
}

static size_t next_allowed(const struct inspector *in, size_t fragments) {
  if (fragments == 0) return in->left.next;
  return in->left.assembly < in->left.host ? in->left.assembly : in->left.host;
}

/*
 * Drops unreliable messages to make room for the message that others wait for. Unreliable ones may be lost.
 */
static void drop_waiting_unreliable(struct inspector *in, size_t needed, size_t fragments) {
  if (in->relies) return;
  for (size_t c = 0; c < in->peer->channelCount; c++) {
    ENetList *list = &in->peer->channels[c].incomingUnreliableCommands;
    while (!enet_list_empty(list) && needed > next_allowed(in, fragments) &&
           enetjs_message_walk_count(&in->messages, 1)) {
      size_t cost = message_cost(in, ((ENetIncomingCommand *)enet_list_begin(list))->packet->dataLength, 0);
      drop_first(in, list);
      in->left.next += cost;
      in->left.assembly += cost;
      in->left.host += cost;
    }
  }
}

/* ---- Commands -------------------------------------------------------------------------------- */

/*
 * Messages far ahead must not use up the room of nearer ones that are missing. A sender goes on while some
 * are missing, and doubles the timeout of each message that is refused. Room is kept as if all messages in
 * between were as long.
 */
static bool is_too_far(const struct inspector *in, const ENetChannel *channel, enet_uint16 sequence,
                       size_t cost) {
  return (size_t)(enet_uint16)(sequence - channel->incomingReliableSequenceNumber) * cost > in->left.span;
}

/* ENet will have another command in its lists. @param waits it is not dispatched with the datagram */
static bool add_command(struct inspector *in, bool waits) {
  if (waits && in->left.commands == 0) return refuse(in, ENETJS_CUT_MEMORY);
  if (in->left.commands > 0) in->left.commands--;
  in->result.added++;
  return true;
}

/* A further fragment. A message in a sparse block is charged for each fragment as it comes. */
static bool fragment_of(struct inspector *in, const ENetProtocol *command, const ENetIncomingCommand *start) {
  size_t offset = ENET_NET_TO_HOST_32(command->sendFragment.fragmentOffset);
  size_t length = ENET_NET_TO_HOST_16(command->sendFragment.dataLength);
  enet_uint32 number = ENET_NET_TO_HOST_32(command->sendFragment.fragmentNumber);
  size_t cost;
  if (!enetjs_fragment_continues(&command->sendFragment, start)) return refuse(in, ENETJS_CUT_EXCESS);
  if (!in->left.has_sparse || number >= start->fragmentCount ||
      start->fragments[number / FRAGMENTS_PER_WORD] & 1u << number % FRAGMENTS_PER_WORD)
    return spend_control(in, command);
  cost = enetjs_pool_touch_cost(start->packet->data, offset, length);
  if (cost == 0) return spend_control(in, command);
  if (!spend(in, cost + acknowledgement_of(in, command), in->left.sparse)) return false;
  enetjs_pool_touch(start->packet->data, offset, length);
  return true;
}

/* A message that is next in order, and too long for what is left to the host. */
static bool begin_sparse(struct inspector *in, const ENetProtocol *command, size_t total, size_t fragments,
                         size_t whole) {
  size_t length = ENET_NET_TO_HOST_16(command->sendFragment.dataLength);
  size_t cost = whole - enetjs_pool_cost(total) + enetjs_pool_sparse_cost(total, length);
  if (fragments == 0 || total < ENETJS_SPARSE_MINIMUM || in->left.has_sparse || whole > in->left.assembly ||
      cost > in->left.sparse)
    return false;
  add_command(in, false);
  in->left.has_sparse = true;
  in->result.sparse = total;
  in->result.sparse_written = length;
  in->result.reliable += whole;
  return spend(in, cost, cost);
}

static bool reliable_message(struct inspector *in, const ENetProtocol *command, ENetChannel *channel,
                             enet_uint16 sequence, size_t length, size_t fragments) {
  enet_uint8 id = command->header.channelID;
  bool next =
      sequence == (enet_uint16)(channel->incomingReliableSequenceNumber + 1) || follows(in, id, sequence);
  size_t acknowledgement = acknowledgement_of(in, command), cost, allowed;
  struct enetjs_message_place place;
  if (!in_window(channel, sequence) || sequence == channel->incomingReliableSequenceNumber)
    return spend_control(in, command);
  place = enetjs_message_walk_find(&in->messages, &channel->incomingReliableCommands, channel, sequence, 0,
                                   fragments);
  if (place.refused) return refuse(in, ENETJS_CUT_EXCESS);
  if (place.known && fragments) return fragment_of(in, command, place.known);
  if (place.known) return spend_control(in, command);
  if (fragments && !enetjs_fragment_begins(&in->begun, &command->sendFragment, sequence, 0))
    return refuse(in, ENETJS_CUT_EXCESS);
  cost = message_cost(in, length, fragments) + acknowledgement;
  allowed = is_too_far(in, channel, sequence, cost / enetjs_larger(fragments, 1)) ? 0 : in->left.ahead;
  if (next && cost > allowed) {
    drop_waiting_unreliable(in, cost, fragments);
    allowed = enetjs_larger(allowed, next_allowed(in, fragments));
    if (cost > allowed && begin_sparse(in, command, length, fragments, cost)) return true;
  }
  if (next && cost > allowed && !in->result.next_refused) {
    in->result.next_refused = true;
    in->result.channel = id;
    in->result.sequence = sequence;
  }
  if (!add_command(in, !next) || !spend(in, cost, allowed)) return false;
  in->result.reliable += cost;
  if (next && fragments <= 1) follow(in, id, sequence);
  return true;
}

/* @param start what ENet has of the message, or NULL */
static bool fits(struct inspector *in, const ENetProtocolSendFragment *fragment,
                 const ENetIncomingCommand *start, enet_uint16 reliable, enet_uint16 unreliable) {
  return start ? enetjs_fragment_continues(fragment, start)
               : enetjs_fragment_begins(&in->begun, fragment, reliable, unreliable);
}

static bool unreliable_message(struct inspector *in, const ENetProtocol *command, ENetChannel *channel,
                               size_t length, size_t fragments) {
  enet_uint16 reliable = ENET_NET_TO_HOST_16(command->header.reliableSequenceNumber);
  enet_uint16 unreliable = ENET_NET_TO_HOST_16(command->sendUnreliable.unreliableSequenceNumber);
  bool current = reliable == channel->incomingReliableSequenceNumber ||
                 follows(in, command->header.channelID, (enet_uint16)(reliable + 1));
  struct enetjs_message_place place;
  size_t cost;
  if (!in_window(channel, reliable) || (reliable == channel->incomingReliableSequenceNumber &&
                                        unreliable <= channel->incomingUnreliableSequenceNumber))
    return spend_control(in, command);
  if (!bound_incomplete(in, channel)) return false;
  place = enetjs_message_walk_find(&in->messages, &channel->incomingUnreliableCommands, channel, reliable,
                                   unreliable, fragments);
  if (place.refused) return refuse(in, ENETJS_CUT_EXCESS);
  in->relies = true;
  if (fragments && !fits(in, &command->sendFragment, place.known, reliable, unreliable))
    return refuse(in, ENETJS_CUT_EXCESS);
  if (place.known) return spend_control(in, command);
  if (!add_command(in, fragments > 0 || !current)) return false;
  cost = message_cost(in, length, fragments) + acknowledgement_of(in, command);
  return spend(in, cost, current ? enetjs_larger(in->left.ahead, in->left.next) : in->left.ahead);
}

/* Whether ENet takes a message at all. It reads no further behind one that it refuses. */
static bool may_have_data(const struct inspector *in, const struct enetjs_command *command) {
  return command->data_length <= in->peer->host->maximumPacketSize &&
         command->protocol->header.channelID < in->peer->channelCount;
}

static bool send_message(struct inspector *in, const ENetProtocol *command, unsigned kind, size_t length) {
  ENetChannel *channel = &in->peer->channels[command->header.channelID];
  if (in->plenty && kind == ENET_PROTOCOL_COMMAND_SEND_RELIABLE &&
      enet_list_empty(&channel->incomingReliableCommands))
    return add_command(in, false);
  if (in->plenty && enet_list_empty(&channel->incomingUnreliableCommands) &&
      kind != ENET_PROTOCOL_COMMAND_SEND_RELIABLE)
    return add_command(in, false);
  if (kind == ENET_PROTOCOL_COMMAND_SEND_RELIABLE)
    return reliable_message(in, command, channel, ENET_NET_TO_HOST_16(command->header.reliableSequenceNumber),
                            length, 0);
  if (kind == ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE)
    return unreliable_message(in, command, channel, length, 0);
  if (!bound_incomplete(in, channel) || !add_command(in, false)) return false;
  return spend(in, message_cost(in, length, 0) + acknowledgement_of(in, command),
               enetjs_larger(in->left.ahead, in->left.next));
}

static bool send_fragment(struct inspector *in, const ENetProtocol *command, unsigned kind) {
  ENetChannel *channel = &in->peer->channels[command->header.channelID];
  size_t total = ENET_NET_TO_HOST_32(command->sendFragment.totalLength);
  size_t count = ENET_NET_TO_HOST_32(command->sendFragment.fragmentCount);
  if (enetjs_fragment_part(&command->sendFragment) == 0) return refuse(in, ENETJS_CUT_EXCESS);
  if (total > in->peer->host->maximumPacketSize) {
    in->result.too_large = total;
    return refuse(in, ENETJS_CUT_EXCESS);
  }
  if (kind == ENET_PROTOCOL_COMMAND_SEND_FRAGMENT)
    return reliable_message(in, command, channel,
                            ENET_NET_TO_HOST_16(command->sendFragment.startSequenceNumber), total, count);
  return unreliable_message(in, command, channel, total, count);
}

static bool acknowledge(struct inspector *in, const ENetProtocolAcknowledge *acknowledgement) {
  return enetjs_acknowledgement_walk_find(&in->acknowledgements, acknowledgement) ||
         refuse(in, ENETJS_CUT_EXCESS);
}

/* @returns false when ENet is not to see the command */
static bool inspect_command(struct inspector *in, const struct enetjs_command *read) {
  ENetProtocol *command = read->protocol;
  switch (read->kind) {
    case ENET_PROTOCOL_COMMAND_ACKNOWLEDGE:
      /*
       * The acknowledgement of a CONNECT makes ENet wait for the VERIFY_CONNECT without a timeout. No command
       * has number 0, so ENet ignores this acknowledgement, and goes on with the VERIFY_CONNECT alone.
       */
      if (in->peer->state == ENET_PEER_STATE_CONNECTING)
        command->acknowledge.receivedReliableSequenceNumber = 0;
      return acknowledge(in, &command->acknowledge);
    case ENET_PROTOCOL_COMMAND_SEND_RELIABLE:
    case ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE:
    case ENET_PROTOCOL_COMMAND_SEND_UNSEQUENCED:
      return send_message(in, command, read->kind, read->data_length);
    case ENET_PROTOCOL_COMMAND_SEND_FRAGMENT:
    case ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE_FRAGMENT: return send_fragment(in, command, read->kind);
    case ENET_PROTOCOL_COMMAND_DISCONNECT:
      /* Without a sent time ENet never acknowledges, and would wait without end to have done so. */
      if (!in->acknowledged) command->header.command &= (enet_uint8)~ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE;
      in->result.freed = in->left.outgoing + ENETJS_WAITING_COMMANDS - in->left.commands;
      return true; /* nothing more is acknowledged to this peer, so its acknowledgement needs no room */
    default: return spend_control(in, command);
  }
}

struct enetjs_inspection enetjs_inspect(ENetPeer *peer, struct enetjs_datagram *datagram,
                                        const struct enetjs_allowance *allowance) {
  struct inspector in = {
      .peer = peer,
      .end = datagram->bytes + datagram->length,
      .left = *allowance,
      .plenty = allowance->ahead >= ENETJS_PLENTY && allowance->commands >= ENETJS_COMMANDS_MAXIMUM,
      .acknowledged = (datagram->flags & ENET_PROTOCOL_HEADER_FLAG_SENT_TIME) != 0,
      .packet_cost = enetjs_pool_cost(sizeof(ENetPacket)),
      .command_cost = enetjs_pool_cost(sizeof(ENetIncomingCommand)),
      .acknowledgement_cost = enetjs_pool_cost(sizeof(ENetAcknowledgement)),
      .acknowledgements = enetjs_acknowledgement_walk_of(peer)};
  enet_uint8 *at = datagram->bytes + datagram->header_bytes, *out = at;
  struct enetjs_command command;
  datagram->kinds = 0;
  for (unsigned count = 0; enetjs_command_read(at, (size_t)(in.end - at), &command); count++) {
    datagram->kinds |= 1u << command.kind;
    if (command.has_data && !may_have_data(&in, &command)) {
      if (command.data_length > peer->host->maximumPacketSize) in.result.too_large = command.data_length;
      break;
    }
    if (count == ENETJS_COMMANDS_MAXIMUM) refuse(&in, ENETJS_CUT_EXCESS);
    if (in.result.verdict == ENETJS_CUT_EXCESS) break;
    if (inspect_command(&in, &command)) {
      if (out != at) memmove(out, at, command.length);
      out += command.length;
    } else if (in.result.verdict == ENETJS_CUT_EXCESS) {
      break;
    }
    at += command.length;
  }
  if (in.result.verdict != ENETJS_PASSED) datagram->length = (size_t)(out - datagram->bytes);
  in.result.steps = in.messages.steps;
  in.result.acknowledgement_steps = in.acknowledgements.steps;
  return in.result;
}

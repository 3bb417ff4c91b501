/*
 * See inspect.h. Everything here follows ENet 1.3.17's protocol.c and peer.c: which commands allocate
 * what, and which lists they make ENet walk from which end.
 *
 *   Reliable data: its place in incomingReliableCommands, from the end. A first fragment is looked for
 *   twice.
 *   Unreliable data: its place in incomingUnreliableCommands, from the end. Then everything at the front
 *   of it that belongs to the current reliable sequence number, which is the incomplete messages.
 *   Acknowledgements: sentReliableCommands from the front, and if it is not there, the unreliable ones in
 *   front of the first unsent reliable command of outgoingCommands.
 *
 * Walks that remove what they pass are not counted: each command is removed once.
 *
 * The lists are those before the datagram. What its own commands change is followed as far as honest
 * datagrams need it: acknowledgements come in the order of the list, messages in the order of a channel.
 * ENet removes what is acknowledged, so the next in the list is then as far from the front as it was.
 * Called with the host's lock held, by the intercept callback.
 */
#include "wire/inspect.h"

#include <string.h>

#include "base/number.h"
#include "base/pool.h"
#include "wire/command.h"

enum { FRAGMENTS_PER_WORD = 32, CHANNELS_FOLLOWED = 8, MESSAGES_BEGUN = 8 };

struct inspector {
  ENetPeer *peer;
  const enet_uint8 *end;
  struct enetjs_allowance left;
  struct enetjs_inspection result;
  bool relies;       /* on an unreliable message that waits, which must not be dropped then */
  bool plenty;       /* any messages fit, and as many commands as a datagram can have may wait */
  bool acknowledged; /* the header has a sent time, without which ENet acknowledges nothing */
  size_t packet_cost, command_cost, acknowledgement_cost;
  struct {
    const ENetList *list; /* NULL when it has been changed since */
    ENetListIterator at;
    size_t walked;                     /* from the end to there */
  } last;                              /* where the last search has ended */
  ENetListIterator after_acknowledged; /* where the next acknowledgement is looked for first, */
  size_t before_acknowledged;          /* and how many ENet passes to get there */
  struct {
    bool known;
    enet_uint8 channel;
    enet_uint16 sequence; /* that follows on the channel after what the datagram has brought in order */
  } next[CHANNELS_FOLLOWED];
  unsigned begun_count;
  struct begun {
    enet_uint8 channel;
    enet_uint16 reliable, unreliable;
    enet_uint32 part;
  } begun[MESSAGES_BEGUN]; /* messages whose first fragment has come in this datagram */
};

/* What a walk has found. */
struct place {
  const ENetIncomingCommand *known; /* ENet has the command, or a start of its message; or NULL */
  bool refused;
};

static bool refuse(struct inspector *in, enum enetjs_verdict verdict) {
  in->result.verdict = verdict;
  return false;
}

/* @returns false when the steps of the datagram are used up */
static bool count_steps(struct inspector *in, size_t steps) {
  in->result.steps += steps;
  return in->result.steps <= ENETJS_STEPS_MAXIMUM;
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
  return in->acknowledged && command->header.command & ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE ? in->acknowledgement_cost
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

/* How ENet compares while it looks for a place: -1 pass over, 0 here, 1 behind this one. */
static int compare(const ENetChannel *channel, const ENetIncomingCommand *other, enet_uint16 reliable,
                   enet_uint16 unreliable) {
  enet_uint16 current = channel->incomingReliableSequenceNumber;
  if (reliable >= current) {
    if (other->reliableSequenceNumber < current) return -1;
  } else if (other->reliableSequenceNumber >= current) {
    return 1;
  }
  if (other->reliableSequenceNumber != reliable) return other->reliableSequenceNumber < reliable ? 1 : -1;
  if (other->unreliableSequenceNumber != unreliable) return other->unreliableSequenceNumber < unreliable ? 1 : -1;
  return 0;
}

/*
 * Where ENet would look from the end of the list. The search begins where the last one in the same list has ended, since
 * the messages of a datagram mostly lie side by side. That is no longer where the list was changed in between.
 * @param walked is set to the steps that ENet makes, at most
 */
static ENetListIterator search(struct inspector *in, ENetList *list, const ENetChannel *channel, enet_uint16 reliable,
                               enet_uint16 unreliable, size_t *walked) {
  const size_t left = in->result.steps < ENETJS_STEPS_MAXIMUM ? ENETJS_STEPS_MAXIMUM - in->result.steps : 0;
  ENetListIterator end = enet_list_end(list), i = in->last.list == list ? in->last.at : enet_list_previous(end), next;
  *walked = in->last.list == list ? in->last.walked : 0;
  while ((next = enet_list_next(i)) != end && *walked > 0 &&
         compare(channel, (ENetIncomingCommand *)next, reliable, unreliable) >= 0) {
    i = next;
    --*walked;
  }
  while (i != end && *walked <= left && compare(channel, (ENetIncomingCommand *)i, reliable, unreliable) < 0) {
    i = enet_list_previous(i);
    ++*walked;
  }
  in->last.list = list;
  in->last.at = i;
  in->last.walked = *walked;
  return i;
}

/* Reliable commands have no unreliable number: it is 0 in all of them. ENet looks for a first fragment twice. */
static struct place find(struct inspector *in, ENetList *list, const ENetChannel *channel, enet_uint16 reliable,
                         enet_uint16 unreliable, size_t fragments) {
  struct place place = {NULL, false};
  size_t walked;
  ENetListIterator i;
  if (fragments) in->last.list = NULL; /* a fragment must find exactly what ENet finds */
  i = search(in, list, channel, reliable, unreliable, &walked);
  if (!count_steps(in, fragments ? 2 * walked + 2 : walked + 1))
    place.refused = true;
  else if (i != enet_list_end(list) && compare(channel, (ENetIncomingCommand *)i, reliable, unreliable) == 0)
    place.known = (ENetIncomingCommand *)i;
  return place;
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
  return command->reliableSequenceNumber == channel->incomingReliableSequenceNumber && command->fragmentsRemaining > 0;
}

static void drop_first(struct inspector *in, ENetList *list) {
  drop(enet_list_begin(list));
  in->result.dropped++;
  in->last.list = NULL;
}

/* What ENet walks for every unreliable message; only incomplete ones stay there. @returns false when that is too far */
static bool bound_incomplete(struct inspector *in, ENetChannel *channel) {
  ENetList *list = &channel->incomingUnreliableCommands;
  size_t count = 0;
  ENetListIterator i = enet_list_begin(list);
  for (; i != enet_list_end(list) && count < ENETJS_INCOMPLETE_MAXIMUM && is_incomplete(channel, i); count++)
    i = enet_list_next(i);
  if (!count_steps(in, count)) return refuse(in, ENETJS_CUT_EXCESS);
  if (count == ENETJS_INCOMPLETE_MAXIMUM)
    while (count-- > 0) drop_first(in, list);
  return true;
}

static size_t next_allowed(const struct inspector *in, size_t fragments) {
  if (fragments == 0) return in->left.next;
  return in->left.assembly < in->left.host ? in->left.assembly : in->left.host;
}

/* Unreliable messages may be lost, and must not keep out the one that others wait for. Drops what makes room for it. */
static void drop_waiting_unreliable(struct inspector *in, size_t needed, size_t fragments) {
  if (in->relies) return;
  for (size_t c = 0; c < in->peer->channelCount; c++) {
    ENetList *list = &in->peer->channels[c].incomingUnreliableCommands;
    while (!enet_list_empty(list) && needed > next_allowed(in, fragments) && count_steps(in, 1)) {
      size_t cost = message_cost(in, ((ENetIncomingCommand *)enet_list_begin(list))->packet->dataLength, 0);
      drop_first(in, list);
      in->left.next += cost;
      in->left.assembly += cost;
      in->left.host += cost;
    }
  }
}

/* ---- Fragments ------------------------------------------------------------------------------- */

/*
 * All fragments of a message but the last have one length, which each of them tells. ENet does not check that: it
 * would hand out a message with holes, which show what was in that memory before.
 * @returns that length, or 0 when the fragment can be of no message
 */
static enet_uint32 part_of(const ENetProtocol *command) {
  enet_uint32 count = ENET_NET_TO_HOST_32(command->sendFragment.fragmentCount);
  enet_uint32 total = ENET_NET_TO_HOST_32(command->sendFragment.totalLength);
  enet_uint32 number = ENET_NET_TO_HOST_32(command->sendFragment.fragmentNumber);
  enet_uint32 offset = ENET_NET_TO_HOST_32(command->sendFragment.fragmentOffset);
  enet_uint32 length = ENET_NET_TO_HOST_16(command->sendFragment.dataLength), part;
  if (count > ENET_PROTOCOL_MAXIMUM_FRAGMENT_COUNT || number >= count || length > total || offset > total - length)
    return 0;
  if (number < count - 1)
    part = length;
  else if (offset + length == total)
    part = count == 1 ? total : offset / (count - 1);
  else
    return 0;
  /* The last fragment has at least one byte, and is no longer than the others. */
  if (part == 0 || (uint64_t)part * number != offset || (uint64_t)part * (count - 1) >= total ||
      total - part * (count - 1) > part)
    return 0;
  return part;
}

/* @param start what ENet has of the message */
static bool continues(const ENetProtocol *command, const ENetIncomingCommand *start) {
  return start->fragmentCount > 0 && part_of(command) == part_of(&start->command);
}

/* Of a message that ENet has nothing of yet. @returns false when a fragment before it in the datagram is another's */
static bool begins(struct inspector *in, const ENetProtocol *command, enet_uint16 reliable, enet_uint16 unreliable) {
  struct begun begun = {command->header.channelID, reliable, unreliable, part_of(command)};
  for (unsigned i = 0; i < in->begun_count; i++) {
    const struct begun *other = &in->begun[i];
    if (other->channel == begun.channel && other->reliable == reliable && other->unreliable == unreliable)
      return other->part == begun.part;
  }
  if (in->begun_count == MESSAGES_BEGUN) return false;
  in->begun[in->begun_count++] = begun;
  return true;
}

/* ---- Commands -------------------------------------------------------------------------------- */

/*
 * Messages far ahead must not use up the room of nearer ones that are still missing: a sender goes on while some are,
 * and doubles the timeout of each that is refused. Room is kept as if all in between were as long as this one.
 */
static bool is_too_far(const struct inspector *in, const ENetChannel *channel, enet_uint16 sequence, size_t cost) {
  return (size_t)(enet_uint16)(sequence - channel->incomingReliableSequenceNumber) * cost > in->left.span;
}

/* ENet will have another command in its lists. @param waits it is not dispatched with the datagram */
static bool add_command(struct inspector *in, bool waits) {
  if (waits && in->left.commands == 0) return refuse(in, ENETJS_CUT_MEMORY);
  if (in->left.commands > 0) in->left.commands--;
  in->result.added++;
  return true;
}

/* What has been charged for a message in a sparse block grows with its fragments. */
static bool fragment_of(struct inspector *in, const ENetProtocol *command, const ENetIncomingCommand *start) {
  size_t offset = ENET_NET_TO_HOST_32(command->sendFragment.fragmentOffset);
  size_t length = ENET_NET_TO_HOST_16(command->sendFragment.dataLength);
  enet_uint32 number = ENET_NET_TO_HOST_32(command->sendFragment.fragmentNumber);
  size_t cost;
  if (!continues(command, start)) return refuse(in, ENETJS_CUT_EXCESS);
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
  bool next = sequence == (enet_uint16)(channel->incomingReliableSequenceNumber + 1) || follows(in, id, sequence);
  size_t acknowledgement = acknowledgement_of(in, command), cost, allowed;
  struct place place;
  if (!in_window(channel, sequence) || sequence == channel->incomingReliableSequenceNumber)
    return spend_control(in, command);
  place = find(in, &channel->incomingReliableCommands, channel, sequence, 0, fragments);
  if (place.refused) return refuse(in, ENETJS_CUT_EXCESS);
  if (place.known && fragments) return fragment_of(in, command, place.known);
  if (place.known) return spend_control(in, command);
  if (fragments && !begins(in, command, sequence, 0)) return refuse(in, ENETJS_CUT_EXCESS);
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

static bool unreliable_message(struct inspector *in, const ENetProtocol *command, ENetChannel *channel, size_t length,
                               size_t fragments) {
  enet_uint16 reliable = ENET_NET_TO_HOST_16(command->header.reliableSequenceNumber);
  enet_uint16 unreliable = ENET_NET_TO_HOST_16(command->sendUnreliable.unreliableSequenceNumber);
  bool current = reliable == channel->incomingReliableSequenceNumber ||
                 follows(in, command->header.channelID, (enet_uint16)(reliable + 1));
  struct place place;
  size_t cost;
  if (!in_window(channel, reliable) ||
      (reliable == channel->incomingReliableSequenceNumber && unreliable <= channel->incomingUnreliableSequenceNumber))
    return spend_control(in, command);
  if (!bound_incomplete(in, channel)) return false;
  place = find(in, &channel->incomingUnreliableCommands, channel, reliable, unreliable, fragments);
  if (place.refused) return refuse(in, ENETJS_CUT_EXCESS);
  in->relies = true;
  if (fragments && !(place.known ? continues(command, place.known) : begins(in, command, reliable, unreliable)))
    return refuse(in, ENETJS_CUT_EXCESS);
  if (place.known) return spend_control(in, command);
  if (!add_command(in, fragments > 0 || !current)) return false;
  cost = message_cost(in, length, fragments) + acknowledgement_of(in, command);
  return spend(in, cost, current ? enetjs_larger(in->left.ahead, in->left.next) : in->left.ahead);
}

/* ENet reads no further behind a message that it refuses. */
static bool may_have_data(const struct inspector *in, const struct enetjs_command *command) {
  return command->data_length <= in->peer->host->maximumPacketSize &&
         command->protocol->header.channelID < in->peer->channelCount;
}

static bool send_message(struct inspector *in, const ENetProtocol *command, unsigned kind, size_t length) {
  ENetChannel *channel = &in->peer->channels[command->header.channelID];
  if (in->plenty && kind == ENET_PROTOCOL_COMMAND_SEND_RELIABLE && enet_list_empty(&channel->incomingReliableCommands))
    return add_command(in, false);
  if (in->plenty && enet_list_empty(&channel->incomingUnreliableCommands) &&
      kind != ENET_PROTOCOL_COMMAND_SEND_RELIABLE)
    return add_command(in, false);
  if (kind == ENET_PROTOCOL_COMMAND_SEND_RELIABLE)
    return reliable_message(in, command, channel, ENET_NET_TO_HOST_16(command->header.reliableSequenceNumber), length,
                            0);
  if (kind == ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE) return unreliable_message(in, command, channel, length, 0);
  if (!bound_incomplete(in, channel) || !add_command(in, false)) return false;
  return spend(in, message_cost(in, length, 0) + acknowledgement_of(in, command),
               enetjs_larger(in->left.ahead, in->left.next));
}

static bool send_fragment(struct inspector *in, const ENetProtocol *command, unsigned kind) {
  ENetChannel *channel = &in->peer->channels[command->header.channelID];
  size_t total = ENET_NET_TO_HOST_32(command->sendFragment.totalLength);
  size_t count = ENET_NET_TO_HOST_32(command->sendFragment.fragmentCount);
  if (part_of(command) == 0) return refuse(in, ENETJS_CUT_EXCESS);
  if (total > in->peer->host->maximumPacketSize) {
    in->result.too_large = total;
    return refuse(in, ENETJS_CUT_EXCESS);
  }
  if (kind == ENET_PROTOCOL_COMMAND_SEND_FRAGMENT)
    return reliable_message(in, command, channel, ENET_NET_TO_HOST_16(command->sendFragment.startSequenceNumber), total,
                            count);
  return unreliable_message(in, command, channel, total, count);
}

static bool matches(ENetListIterator i, enet_uint16 sequence, enet_uint8 channel) {
  const ENetOutgoingCommand *command = (ENetOutgoingCommand *)i;
  return command->reliableSequenceNumber == sequence && command->command.header.channelID == channel;
}

/* In outgoingCommands ENet gives up at the first reliable command that has never been sent. */
static bool ends_search(ENetListIterator i) {
  const ENetOutgoingCommand *command = (ENetOutgoingCommand *)i;
  return (command->command.header.command & ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE) && command->sendAttempts < 1;
}

static bool acknowledgement_steps(struct inspector *in, size_t steps) {
  in->result.acknowledgement_steps += steps;
  return in->result.acknowledgement_steps <= ENETJS_ACKNOWLEDGEMENT_STEPS_MAXIMUM;
}

static bool acknowledge(struct inspector *in, const ENetProtocol *command) {
  enet_uint16 sequence = ENET_NET_TO_HOST_16(command->acknowledge.receivedReliableSequenceNumber);
  enet_uint8 channel = command->header.channelID;
  ENetList *sent = &in->peer->sentReliableCommands, *outgoing = &in->peer->outgoingCommands;
  ENetListIterator i = in->after_acknowledged;
  size_t passed = 0;
  if (i != enet_list_end(sent) && matches(i, sequence, channel)) {
    in->after_acknowledged = enet_list_next(i);
    return acknowledgement_steps(in, in->before_acknowledged + 1) || refuse(in, ENETJS_CUT_EXCESS);
  }
  for (i = enet_list_begin(sent); i != enet_list_end(sent); i = enet_list_next(i)) {
    if (!acknowledgement_steps(in, 1)) return refuse(in, ENETJS_CUT_EXCESS);
    if (!matches(i, sequence, channel)) {
      passed++;
      continue;
    }
    in->after_acknowledged = enet_list_next(i);
    in->before_acknowledged = passed;
    return true;
  }
  for (i = enet_list_begin(outgoing); i != enet_list_end(outgoing) && !ends_search(i) && !matches(i, sequence, channel);
       i = enet_list_next(i))
    if (!acknowledgement_steps(in, 1)) return refuse(in, ENETJS_CUT_EXCESS);
  return true;
}

/* @returns false when ENet is not to see the command */
static bool inspect_command(struct inspector *in, const struct enetjs_command *read) {
  ENetProtocol *command = read->protocol;
  switch (read->kind) {
    case ENET_PROTOCOL_COMMAND_ACKNOWLEDGE:
      /* That of a CONNECT is its answer: without the command ENet would wait for that without end. None has number 0. */
      if (in->peer->state == ENET_PEER_STATE_CONNECTING) command->acknowledge.receivedReliableSequenceNumber = 0;
      return acknowledge(in, command);
    case ENET_PROTOCOL_COMMAND_SEND_RELIABLE:
    case ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE:
    case ENET_PROTOCOL_COMMAND_SEND_UNSEQUENCED: return send_message(in, command, read->kind, read->data_length);
    case ENET_PROTOCOL_COMMAND_SEND_FRAGMENT:
    case ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE_FRAGMENT: return send_fragment(in, command, read->kind);
    case ENET_PROTOCOL_COMMAND_DISCONNECT:
      /* Without a sent time ENet never acknowledges, and would wait without end to have done so. */
      if (!in->acknowledged) command->header.command &= (enet_uint8)~ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE;
      in->result.acknowledgement_steps += in->left.outgoing + ENETJS_WAITING_COMMANDS - in->left.commands;
      return true; /* its acknowledgement is the last one */
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
      .after_acknowledged = enet_list_begin(&peer->sentReliableCommands)};
  enet_uint8 *at = datagram->bytes + datagram->header_bytes, *out = at;
  struct enetjs_command command;
  for (unsigned count = 0; enetjs_command_read(at, (size_t)(in.end - at), &command); count++) {
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
  return in.result;
}

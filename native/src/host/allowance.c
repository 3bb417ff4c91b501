/*
 * How much memory a peer may take, and what becomes of one that has taken it.
 *
 * Only where libenet is ours (enet/libenet.h); elsewhere ENet's own limit stands in for it.
 *
 * Counted is the memory of the pool that a connection holds (base/budget.h): what ENet allocates while it
 * handles a datagram of the connection, and the records that are held for JavaScript. What has been handed
 * to JavaScript and is not the program's own counts towards the host only. Of it, packets outside of the arena
 * also count where a connection is held to its share of the host. In terms of a host's maximumWaitingData (W),
 * maximumPacketSize (P) and maximumHostData (H), commands that break one of these are left out of their
 * datagram:
 *
 *   Out of order: the consumer takes what it has (less than W is held); what is not held yet stays within
 *     W + AHEAD_SLACK, and the connection within W + P + NEXT_SLACK. The slack is for a small W: a sender
 *     goes on while a message is missing, and ENet doubles the timeout of each that is refused, every time.
 *     A message further ahead than so many bytes of its kind could fill is left out, too: it would take the
 *     room of nearer ones that are missing, and these would come one datagram for each timeout.
 *   Next in order: less than W is held, and the connection stays within W + P + NEXT_SLACK. So when the
 *     consumer has taken what is held, the message that others wait for fits beside them, unless it is
 *     nearly as long as P and they exceed W.
 *   Without data: the connection stays within W + P + CONTROL_SLACK, less than 1 MiB above W + P.
 *   The host stays within H. Once half of H is used, a connection also stays within its equal share of the
 *     last quarter.
 *   The third quarter is for messages of fragments that are next in order. The first fragment claims the
 *     memory of all of them, and the others may never come. So what does not fit otherwise is counted as far
 *     as it has arrived (sparse blocks, base/pool.h), for one message of a connection at a time. Claims
 *     keep out no message that really comes, until what has really come fills three quarters of H.
 *
 * Beside bytes, the commands that wait in ENet's lists are counted: no more than ENETJS_WAITING_COMMANDS (inspect.h) of
 * a connection may be out of order, so that no datagram makes ENet walk, deliver or free more of them at once.
 *
 * What an ended connection still holds counts as a debt of its address, in every rule, so connecting
 * anew gains nothing. Addresses share ENETJS_DEBT_BUCKETS buckets.
 *
 * Nothing fails because of a limit: ENet never sees what is left out. But its sender must not
 * time out, for as long as the consumer stalls. A stock ENet ends a connection
 * (enet_protocol_check_timeouts) when nothing has been acknowledged for 5 s, and when one command has not
 * been although its own timeout, which doubles each time, has grown beyond 5 s. Against the first, a
 * ping takes the place of what is left out, once a second: ENet acknowledges any ping, and any
 * acknowledgement will do. Against the second, every few seconds a few messages are let in after all, as
 * many as a sender has under way, within W + P + NEXT_SLACK.
 *
 * Called with the host's lock held.
 */
#include <string.h>

#include "base/pool.h"
#include "host/internal.h"
#include "wire/addresses.h"
#include "wire/inspect.h"

enum {
  AHEAD_SLACK = 2 << 20, /* or half of P if that is less */
  NEXT_SLACK = 768 * 1024,
  CONTROL_SLACK = 960 * 1024,
  FRAGMENT_MINIMUM = ENET_PROTOCOL_MINIMUM_MTU - 32, /* bytes, in all but the last of a message */
  CONTROL_COMMANDS = 64,                             /* pings and the like */
  PING_MS = 1000,
  KEEPALIVE_AFTER_MS = 2000, /* what has waited for as long is sent at least once more before it is too late */
  KEEPALIVE_BYTES = 768 * 1024
};

static size_t room(size_t used, size_t limit) { return used < limit ? limit - used : 0; }

static int64_t *debt_of(struct enetjs_host *h, uint64_t network) {
  return &h->debts[((network ^ h->debt_seed) * 0x9E3779B97F4A7C15u >> 48) % ENETJS_DEBT_BUCKETS];
}

/* ---- The host -------------------------------------------------------------------------------- */

static size_t most_of_connection(const struct enetjs_host *h) {
  return h->maximum_waiting + h->enet->maximumPacketSize;
}

size_t enetjs_host_data_limit(const struct enetjs_host *h) {
  return h->maximum_data ? h->maximum_data : enetjs_larger(ENETJS_HOST_DATA_MINIMUM, 2 * most_of_connection(h));
}

size_t enetjs_host_data(struct enetjs_host *h) {
  return (size_t)h->account->bytes + atomic_load(&h->listed_bytes) + atomic_load(&h->kept_bytes) + h->consumer_bytes;
}

/* What is held may all go to JavaScript. */
static size_t used_of(struct enetjs_host *h) { return enetjs_host_data(h) + h->reserve; }

static size_t share_of(const struct enetjs_host *h, size_t peers) {
  return enetjs_host_data_limit(h) / 4 / (peers ? peers : 1);
}

/* @param used by one peer */
static size_t host_room(struct enetjs_host *h, size_t used) {
  size_t limit = enetjs_host_data_limit(h), total = used_of(h), free_for_all = room(total, limit / 2);
  if (free_for_all >= most_of_connection(h)) return free_for_all;
  return enetjs_larger(free_for_all,
                       enetjs_smaller(room(total, limit), room(used, share_of(h, h->enet->connectedPeers))));
}

/* For what has arrived of a message that is counted so. */
static size_t sparse_room(struct enetjs_host *h, size_t used) {
  size_t limit = enetjs_host_data_limit(h);
  return enetjs_larger(host_room(h, used), room(used_of(h), limit - limit / 4));
}

bool enetjs_allow_connect(struct enetjs_host *h, uint64_t network) {
  size_t debt = (size_t)*debt_of(h, network);
  return used_of(h) < enetjs_host_data_limit(h) && debt < h->maximum_waiting &&
         debt < share_of(h, h->enet->connectedPeers + 1);
}

/* ---- Accounts -------------------------------------------------------------------------------- */

void enetjs_allowance_end(struct enetjs_slot *slot) {
  if (slot->account) enetjs_account_close(slot->account, debt_of(slot->host, slot->charged_network));
  slot->account = NULL;
  slot->waiting_commands = 0;
  memset(&slot->stall, 0, sizeof(slot->stall));
}

/* An attempt that ENet has given up is not reported, so it may be that of an earlier connection. */
static struct enetjs_account *account_of(struct enetjs_slot *slot, const ENetPeer *peer) {
  struct enetjs_endpoint address;
  if (slot->account && slot->charged_connect_id == peer->connectID) return slot->account;
  enetjs_allowance_end(slot);
  slot->account = enetjs_account_open(slot->host->account);
  slot->charged_connect_id = peer->connectID;
  address = enetjs_addresses_real(slot->host->addresses, &peer->address);
  slot->charged_network = enetjs_endpoint_network(&address);
  return slot->account;
}

/* ---- Peers that wait for the consumer --------------------------------------------------------- */

static enet_uint32 stamp(enet_uint32 now) { return now ? now : 1; }

static bool has_passed(enet_uint32 now, enet_uint32 since, enet_uint32 limit) {
  return since != 0 && ENET_TIME_DIFFERENCE(now, since) >= limit;
}

static bool has_come(const struct enetjs_stall *stall, const ENetPeer *peer) {
  return stall->channel >= peer->channelCount ||
         peer->channels[stall->channel].incomingReliableSequenceNumber != (enet_uint16)(stall->sequence - 1);
}

/*
 * What a sender has under way has been sent at different times, and each part comes again at its own. Only
 * what is next in order is let in, so newer messages do not use up what the older ones need.
 * @returns what may be let in although the consumer has not taken what it has
 */
static size_t keepalive_room(const struct enetjs_stall *stall, enet_uint32 now) {
  if (!has_passed(now, stall->since, KEEPALIVE_AFTER_MS)) return 0;
  return room(stall->admitted, KEEPALIVE_BYTES);
}

/* There is room: what was left out was no shorter than a command's header, which a ping is. */
static void ping_instead(struct enetjs_stall *stall, struct enetjs_datagram *datagram, enet_uint32 now) {
  ENetProtocolCommandHeader ping = {ENET_PROTOCOL_COMMAND_PING | ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE, 0xFF, 0};
  if (stall->pinged != 0 && !has_passed(now, stall->pinged, PING_MS)) return;
  stall->pinged = stamp(now);
  memcpy(datagram->bytes + datagram->length, &ping, sizeof(ping));
  datagram->length += sizeof(ping);
}

/* ---- Peers ----------------------------------------------------------------------------------- */

/* What counts for a peer in every rule: the memory of its connection, and what its address owes. */
struct use {
  size_t debt, bytes; /* bytes with the debt */
  size_t held;        /* of them, what the consumer has not taken; with the debt */
  size_t waiting;     /* what is not held */
  size_t listed;      /* beside the bytes: packets that JavaScript has */
  bool blocked;       /* so much is held that only what keeps the sender alive is let in */
};

static struct use use_of(const struct enetjs_slot *slot, const struct enetjs_account *account) {
  struct use use;
  use.debt = (size_t)*debt_of(slot->host, slot->charged_network);
  use.bytes = (size_t)account->bytes + use.debt;
  use.held = slot->held_cost + use.debt;
  use.waiting = room(slot->held_cost, (size_t)account->bytes); /* none where libenet's memory is not counted */
  use.listed = atomic_load(&slot->listed_bytes);
  use.blocked = slot->stopped || slot->held_bytes + use.debt >= slot->host->maximum_waiting;
  return use;
}

/*
 * While the consumer has not taken what it has. Messages that were sent at different round-trip times come
 * again in another order, and the last one may be too late if it is not let in before those it waits for. The
 * first fragment of a message may claim any length.
 */
static void allow_keepalive(struct enetjs_allowance *allowance, struct enetjs_host *h, const struct use *use,
                            size_t keepalive) {
  allowance->next = enetjs_smaller(allowance->next, keepalive);
  allowance->ahead = enetjs_smaller(allowance->next, host_room(h, use->bytes + use->listed));
  allowance->span = keepalive;
  if (keepalive < KEEPALIVE_BYTES) allowance->assembly = enetjs_smaller(allowance->assembly, keepalive);
}

static void allow_ahead(struct enetjs_allowance *allowance, struct enetjs_host *h, const struct use *use) {
  allowance->span = h->maximum_waiting + enetjs_smaller(AHEAD_SLACK, h->enet->maximumPacketSize / 2);
  allowance->ahead = enetjs_smaller(allowance->next, room(use->waiting, allowance->span));
  allowance->ahead = enetjs_smaller(allowance->ahead, host_room(h, use->bytes + use->listed));
}

/* What the rest of the host leaves to the connection. */
static void allow_of_host(struct enetjs_allowance *allowance, struct enetjs_host *h, const struct use *use) {
  allowance->next = enetjs_smaller(allowance->next, host_room(h, use->held + use->listed));
  allowance->host = host_room(h, use->bytes + use->listed);
  allowance->sparse = enetjs_smaller(allowance->sparse, sparse_room(h, use->bytes + use->listed));
}

static size_t count_waiting(ENetPeer *peer) {
  size_t count = enet_list_size(&peer->dispatchedCommands);
  for (size_t i = 0; i < peer->channelCount; i++)
    count += enet_list_size(&peer->channels[i].incomingReliableCommands) +
             enet_list_size(&peer->channels[i].incomingUnreliableCommands);
  return count;
}

/*
 * ENet drops late unreliable messages and copies without a word, so what the slot counts may be too much. The count is
 * made right when it matters. That takes as many steps as commands may wait.
 */
static size_t commands_room(struct enetjs_slot *slot, ENetPeer *peer) {
  if (slot->waiting_commands + ENETJS_COMMANDS_MAXIMUM > ENETJS_WAITING_COMMANDS)
    slot->waiting_commands = count_waiting(peer);
  return room(slot->waiting_commands, ENETJS_WAITING_COMMANDS);
}

static struct enetjs_allowance allowance_of(const struct enetjs_slot *slot, const struct enetjs_account *account,
                                            const struct use *use) {
  struct enetjs_host *h = slot->host;
  size_t limit = most_of_connection(h);
  struct enetjs_allowance allowance = {0};
  allowance.control = room(use->bytes, limit + CONTROL_SLACK);
  allowance.next = allowance.assembly = allowance.sparse = room(use->bytes, limit + NEXT_SLACK);
  allowance.has_sparse = account->sparse_blocks > 0;
  if (use->blocked)
    allow_keepalive(&allowance, h, use, keepalive_room(&slot->stall, h->enet->serviceTime));
  else
    allow_ahead(&allowance, h, use);
  allow_of_host(&allowance, h, use);
  allowance.outgoing = slot->inside_messages + slot->inside_bytes / FRAGMENT_MINIMUM + CONTROL_COMMANDS;
  return allowance;
}

/* From now on the time of the message that was refused counts, unless that of an earlier one does. */
static void begin_stall(struct enetjs_stall *stall, const struct enetjs_inspection *refused, enet_uint32 now) {
  if (stall->since != 0 && stall->admitted == 0) return;
  stall->since = stamp(now);
  stall->admitted = 0;
  stall->channel = refused->channel;
  stall->sequence = refused->sequence;
}

/* ENet does not acknowledge such a message, and tells nobody. */
static void tell_too_large(struct enetjs_slot *slot, size_t length) {
  struct enetjs_host *h = slot->host;
  if (length == 0 || slot->told_too_large) return;
  slot->told_too_large = true;
  enetjs_emit_completion(slot, ENETJS_COMPLETION_TOO_LARGE, (uint32_t)length, (uint32_t)h->enet->maximumPacketSize);
}

bool enetjs_allow(struct enetjs_slot *slot, struct enetjs_datagram *datagram) {
  struct enetjs_host *h = slot->host;
  ENetPeer *peer = &h->enet->peers[slot->index];
  struct enetjs_account *account = account_of(slot, peer);
  struct enetjs_stall *stall = &slot->stall;
  struct enetjs_allowance allowance;
  struct enetjs_inspection inspection;
  struct use use;
  if (!account) return false;
  use = use_of(slot, account);
  if (!use.blocked && has_come(stall, peer)) stall->since = stall->admitted = 0;
  allowance = allowance_of(slot, account, &use);
  allowance.commands = commands_room(slot, peer);
  inspection = enetjs_inspect(peer, datagram, &allowance);
  slot->waiting_commands += inspection.added;
  slot->waiting_commands -= enetjs_smaller(slot->waiting_commands, inspection.dropped);
  if (inspection.verdict != ENETJS_PASSED) h->counters[ENETJS_HOST_STAT_OVER_BUDGET]++;
  tell_too_large(slot, inspection.too_large);
  if (use.blocked) stall->admitted += inspection.reliable;
  if (inspection.verdict == ENETJS_CUT_MEMORY) {
    if (inspection.next_refused) begin_stall(stall, &inspection, h->enet->serviceTime);
    ping_instead(stall, datagram, h->enet->serviceTime);
  }
  enetjs_pool_charge(account);
  if (inspection.sparse > 0) enetjs_pool_expect_sparse(inspection.sparse, inspection.sparse_written);
  return true;
}
